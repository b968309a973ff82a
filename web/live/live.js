// The live page: asks state.json which surveys and changes there are, OData for rows and figures, and listens to
// /events for when to ask again. Everything from outside becomes text through textContent, never markup.

const ROWS = 10;
const ANSWER_CHARS = 160;
const CHART_MINUTES = 10;
const BUCKET_SECONDS = 10;
const ODATA = "odata/v4/feedback/";

const REFRESH_MS = 300; // rows, at most so often
const FIGURES_MS = 2000; // figures, at most so often
const QUIET_MS = 5000; // without a stream, or nothing landing

const byId = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat();
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const hours = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const shown = new Set(); // keys on the page, to tell what is new
const landings = new Map(); // set and key to an instant in milliseconds, for the chart
let isFirst = true;

class HttpError extends Error {
  constructor(status) {
    super(`HTTP ${status}`);
    this.status = status;
  }
}

async function getJson(url) {
  const response = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-cache" });
  if (!response.ok) throw new HttpError(response.status);
  return response.json();
}

function odata(set, options) {
  const query = Object.entries(options).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return getJson(`${ODATA}${set}?${query.join("&")}`);
}

const literal = (text) => `'${text.replaceAll("'", "''")}'`;

/** An element with text and children. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** The beginning of a text, cut between characters. */
function beginning(text) {
  const characters = Array.from(text.slice(0, 4 * ANSWER_CHARS));
  return characters.length > ANSWER_CHARS ? `${characters.slice(0, ANSWER_CHARS).join("")}…` : characters.join("");
}

function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds < 1000) return `${Math.max(1, Math.round(milliseconds))} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.round(milliseconds / 60_000)} min`;
}

const isToday = (date) => date.toDateString() === new Date().toDateString();

/** One survey's newest rows: by RecordedDate, else by when they were committed. */
async function newest(survey, recent) {
  const changes = new Map(recent.filter((change) => change.set === survey.set).map((change) => [change.key, change]));
  const texts = survey.texts.map((text) => text.property);
  const select = [survey.key, survey.recorded, survey.score?.property, ...texts].filter(Boolean).join(",");
  const options = { $select: select, $top: ROWS };
  if (survey.recorded) options.$orderby = `${survey.recorded} desc,${survey.key} desc`;
  else if (changes.size > 0) options.$filter = `${survey.key} in (${[...changes.keys()].map(literal).join(",")})`;
  const { value } = await odata(survey.set, options);
  return value.map((row) => {
    const change = changes.get(row[survey.key]);
    const at = (survey.recorded && row[survey.recorded]) || change?.changedAt;
    return { survey, row, key: `${survey.set}/${row[survey.key]}`, at: new Date(at ?? 0), took: change?.eventToRowMs };
  });
}

function rowItem({ survey, row, key, at, took }, isNew) {
  const score = survey.score && row[survey.score.property];
  const answers = survey.texts
    .map((text) => ({ question: text.text, answer: row[text.property] }))
    .filter(({ answer }) => typeof answer === "string" && answer.trim() !== "");
  const about = element("div", { class: "about" },
    element("time", { datetime: at.toISOString() }, isToday(at) ? clock.format(at) : days.format(at)),
    score === null || score === undefined ? null : element("span", { class: "score", title: survey.score.text }, String(score)),
    element("span", {}, survey.name),
    took === null || took === undefined ? null
      : element("span", { class: "took", title: "from callback to committed row" }, `row after ${duration(took)}`));
  const list = element("dl", {}, ...answers.map(({ question, answer }) =>
    element("div", {}, element("dt", { dir: "auto" }, beginning(question)), element("dd", { dir: "auto" }, beginning(answer)))));
  const item = element("li", { "data-key": key }, about, answers.length > 0 ? list : null);
  if (isNew) item.classList.add("new");
  return item;
}

function showRows(rows) {
  rows.sort((one, other) => other.at - one.at);
  const items = rows.slice(0, ROWS);
  const fresh = items.filter(({ key }) => !shown.has(key));
  const kept = new Map([...byId("rows").children].map((item) => [item.dataset.key, item]));
  byId("rows").replaceChildren(...items.map((item) => {
    const there = kept.get(item.key);
    return there && there.querySelector(".took") ? there : rowItem(item, !isFirst && !shown.has(item.key));
  }));
  for (const { key } of fresh) shown.add(key);
  if (!isFirst && fresh.length > 0) {
    byId("news").textContent = fresh.length === 1 ? "One new response" : `${fresh.length} new responses`;
  }
  byId("empty").hidden = items.length > 0;
  if (items.length === 0) byId("empty").textContent = "No responses yet. They appear here as soon as somebody completes the survey.";
}

/** What `Surveys` says about freshness and completeness, in words and as a state. */
function freshness(survey) {
  const upTo = survey.CompleteUpTo && new Date(survey.CompleteUpTo);
  const complete = upTo ? `complete up to ${isToday(upTo) ? hours.format(upTo) : days.format(upTo)}` : "completeness not checked yet";
  if (survey.PendingEvents > 0) {
    const state = survey.OldestPendingSeconds > 30 ? "amber" : "good";
    return { state, text: survey.PendingEvents === 1 ? "1 response on its way" : `${whole.format(survey.PendingEvents)} responses on their way` };
  }
  if (["missing", "foreign_key", "silent"].includes(survey.Subscription)) return { state: "amber", text: complete };
  if (survey.Subscription === "off") return { state: "good", text: complete };
  return { state: "good", text: survey.EventToRowP50Ms === null ? "live" : `live, ${duration(survey.EventToRowP50Ms)}` };
}

function showFigures(surveys, known) {
  const sum = (name) => surveys.reduce((total, survey) => total + (survey[name] ?? 0), 0);
  const worst = (name) => surveys.reduce((most, survey) => Math.max(most, survey[name] ?? -1), -1);
  const times = (name) => (worst(name) < 0 ? "–" : duration(worst(name)));
  byId("rows-count").textContent = whole.format(sum("Rows"));
  byId("p50").textContent = times("EventToRowP50Ms");
  byId("p99").textContent = times("EventToRowP99Ms");
  byId("pending").textContent = whole.format(sum("PendingEvents"));
  byId("dead").textContent = whole.format(sum("DeadEvents"));
  byId("pending-figure").classList.toggle("amber", worst("OldestPendingSeconds") > 30);
  byId("dead-figure").classList.toggle("amber", sum("DeadEvents") > 0);
  byId("surveys").replaceChildren(...surveys.map((survey) => surveyItem(survey, known.get(survey.SurveyId))));
}

const SUBSCRIPTION = {
  ok: "in place", missing: "missing", foreign_key: "has another key", silent: "silent", off: "off", unknown: "not checked yet",
};

function surveyItem(survey, known) {
  const { state, text } = freshness(survey);
  const last = survey.LastResponseAt && new Date(survey.LastResponseAt);
  const facts = [
    ["Responses here", whole.format(survey.Rows ?? 0)],
    ["In Qualtrics", survey.InQualtrics === null ? "–" : whole.format(survey.InQualtrics)],
    ["Missing", survey.Missing === null ? "–" : whole.format(survey.Missing)],
    ["Complete up to", survey.CompleteUpTo ? days.format(new Date(survey.CompleteUpTo)) : "–"],
    ["History loaded", survey.HistoryLoaded === null ? "–" : `${whole.format(survey.HistoryLoaded)} %`],
    ["Last response", last ? days.format(last) : "–"],
    ["Subscription", SUBSCRIPTION[survey.Subscription] ?? String(survey.Subscription)],
  ];
  const set = `${ODATA}${encodeURIComponent(survey.EntitySet)}`;
  const order = known?.recorded ? `&$orderby=${known.recorded}%20desc` : "";
  return element("li", {},
    element("div", { class: "top" }, element("h3", { dir: "auto" }, survey.Name), element("p", { class: "badge", "data-state": state }, text)),
    element("dl", {}, ...facts.map(([name, fact]) => element("div", {}, element("dt", {}, name), element("dd", {}, fact)))),
    element("p", { class: "links" },
      known?.form ? element("a", { href: known.form, rel: "noopener", target: "_blank" }, "Fill in the survey") : null,
      element("a", { href: `${set}?$format=csv`, download: `${survey.EntitySet}.csv` }, "CSV"),
      element("a", { href: `${set}?$top=20&$count=true${order}` }, "OData")));
}

function showChart() {
  const now = Date.now();
  const buckets = (CHART_MINUTES * 60) / BUCKET_SECONDS;
  const oldest = now - CHART_MINUTES * 60_000;
  for (const [key, at] of landings) if (at < oldest) landings.delete(key);
  const counts = new Array(buckets).fill(0);
  for (const at of landings.values()) counts[Math.min(buckets - 1, Math.floor((at - oldest) / (BUCKET_SECONDS * 1000)))] += 1;
  const most = Math.max(4, ...counts);
  const width = 600 / buckets;
  const bars = counts.flatMap((count, index) => (count === 0 ? [] : [shape("rect", {
    x: index * width + 1, width: width - 2, y: 62 - (60 * count) / most, height: (60 * count) / most,
  })]));
  byId("chart").replaceChildren(byId("chart-title"), shape("line", { x1: 0, x2: 600, y1: 63, y2: 63 }), ...bars);
  const total = `${whole.format(landings.size)} in ten minutes`;
  byId("chart-total").textContent = total;
  byId("chart-title").textContent = `Responses: ${total}`;
}

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function connection(state, text) {
  byId("connection").dataset.state = state;
  byId("connection").textContent = text;
}

/** What landed before the page was opened. */
async function remember(surveys) {
  const since = new Date(Date.now() - CHART_MINUTES * 60_000).toISOString();
  await Promise.all(surveys.filter((survey) => survey.recorded).map(async ({ set, key, recorded }) => {
    const { value } = await odata(set, { $select: `${key},${recorded}`, $filter: `${recorded} ge ${since}`, $orderby: `${recorded} desc` });
    for (const row of value) landings.set(`${set}/${row[key]}`, Date.parse(row[recorded]));
  }));
}

let surveys = [];

async function refreshRows() {
  const state = await getJson("live/state.json");
  surveys = state.surveys;
  if (isFirst) await remember(surveys);
  showRows((await Promise.all(surveys.map((survey) => newest(survey, state.recent)))).flat());
  showChart();
  if (isFirst) figures();
  isFirst = false;
}

async function refreshFigures() {
  const { value } = await odata("Surveys", {});
  showFigures(value, new Map(surveys.map((survey) => [survey.id, survey])));
}

/** Runs `work` now or as soon as it may run again; calls in between become one. */
function atMostEvery(milliseconds, work) {
  let isRunning = false;
  let isWanted = false;
  const run = async () => {
    isWanted = false;
    isRunning = true;
    await Promise.all([attempt(work), new Promise((resolve) => { setTimeout(resolve, milliseconds); })]);
    isRunning = false;
    if (isWanted) run();
  };
  return () => {
    isWanted = true;
    if (!isRunning) run();
  };
}

async function attempt(work) {
  try {
    await work();
    if (stream?.readyState === EventSource.OPEN) connection("good", "live");
  } catch (error) {
    if (error.status === 401) connection("bad", "signed out: reload the page");
    else if (error.status === 403) connection("bad", "you have no access to feedback");
    else connection("bad", "the service can't be reached");
  }
}

const rows = atMostEvery(REFRESH_MS, refreshRows);
const figures = atMostEvery(FIGURES_MS, refreshFigures);
let stream = null;

function listen() {
  stream = new EventSource("events");
  stream.addEventListener("open", () => {
    connection("good", "live");
    rows();
  });
  stream.addEventListener("error", () => connection("amber", "connection lost, trying again"));
  stream.addEventListener("reset", () => rows());
  stream.addEventListener("row", ({ data }) => {
    const { set, key, changedAt } = JSON.parse(data);
    if (!landings.has(`${set}/${key}`)) landings.set(`${set}/${key}`, Date.parse(changedAt));
    rows();
    figures();
  });
}

// A hidden page holds no stream: browsers allow few of them per server.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    stream = null;
  } else if (stream === null) {
    listen();
    figures();
  }
});

setInterval(() => {
  if (document.hidden) return;
  showChart();
  figures();
  if (stream?.readyState === EventSource.CLOSED) listen();
  if (stream?.readyState !== EventSource.OPEN) rows();
}, QUIET_MS);

rows();
if (!document.hidden) listen();
