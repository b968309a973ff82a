// The figures of each kind of card: what is asked, and what becomes of the answer. Everything that somebody wrote goes
// into the model as it is; the manifests bind it as text.
sap.ui.define(["./Service"], function (Service) {
  "use strict";

  const TEXT_CHARS = 300; // what a list shows of a comment
  const GROUPS_MAX = 12; // rows of a table; its CSV has all
  const VALUES_MAX = 100; // of a filter
  const DAY_MS = 86400000;
  const CHOICES = ["single-choice", "matrix-choice"];

  /** Why there are no figures; `key` names the message. */
  class Problem extends Error {
    constructor(key) {
      super(key);
      this.key = key;
    }
  }

  const literal = Service.literal;
  const all = (conditions) => conditions.filter(Boolean).map((one) => (/ or /.test(one) ? `(${one})` : one)).join(" and ");

  /** The question that a parameter names. */
  function question(view, parameter) {
    const property = view.parameters[parameter];
    const found = view.questions.find((one) => one.Property === property);
    if (!found) {
      throw new Problem("unknown");
    }
    const choices = JSON.parse(found.Choices || "[]").filter((one) => one.recode !== undefined);
    const recodes = choices.map((one) => Number(one.recode));
    const isScale = recodes.length > 1 && recodes.every(Number.isFinite);
    return {
      property,
      text: found.Text,
      choices,
      isChoice: CHOICES.includes(found.Type),
      label: CHOICES.includes(found.Type) && choices.length > 0 ? `${property}_Label` : property,
      worst: isScale ? Math.min(...recodes) : 0,
      best: isScale ? Math.max(...recodes) : 10,
    };
  }

  const optional = (view, parameter) => (view.parameters[parameter] ? question(view, parameter) : null);

  /** When rows were recorded, if the table knows. */
  function recorded(view) {
    const found = view.questions.find((one) => one.Column.toUpperCase() === "RECORDEDDATE");
    return found && found.Property;
  }

  function nps(view) {
    const found = view.questions.find((one) => one.Type === "nps");
    return found && `${found.Property}_NPS`;
  }

  /** The condition of the period that ended `back` periods ago. */
  function period(view, back) {
    const days = Number(view.parameters.period);
    const property = recorded(view);
    if (!days || !property) {
      return "";
    }
    const at = (periods) => new Date(Date.now() - periods * days * DAY_MS).toISOString();
    return back === 0 ? `${property} ge ${at(1)}` : `${property} ge ${at(back + 1)} and ${property} lt ${at(back)}`;
  }

  async function aggregate(view, filter, groups, values, options) {
    const aggregates = `aggregate(${values.join(",")})`;
    const grouped = groups.length > 0 ? `groupby((${groups.join(",")}),${aggregates})` : aggregates;
    const $apply = filter ? `filter(${filter})/${grouped}` : grouped;
    return (await view.service.get(view.survey.EntitySet, Object.assign({ $apply }, options))).value;
  }

  function subtitle(view, text) {
    return view.hasOthers ? `${view.survey.Name} · ${text}` : text;
  }

  function count(view, n, words) {
    const text = n === 1 ? view.text(`${words}.one`) : view.text(`${words}.many`, view.number(n, 0));
    return words === "n" && n > 0 ? named(view, n, text) : text;
  }

  const isFew = (view, n) => n < view.parameters.minimum;

  /** A figure, with a warning if it is one of few answers. */
  const named = (view, n, figure) => (isFew(view, n) ? view.text("few", figure) : figure);

  /** How good a figure is against the target: 2 good, 1 close, 0 bad. */
  function grade(view, figure, range) {
    const target = view.parameters.target;
    return figure >= target ? 2 : figure >= target - 0.15 * range ? 1 : 0;
  }

  const valueState = (view, n, figure, range) =>
    (isFew(view, n) ? "Neutral" : ["Error", "Critical", "Good"][grade(view, figure, range)]);
  const rowState = (view, n, figure, range) =>
    (isFew(view, n) ? "None" : ["Error", "Warning", "Success"][grade(view, figure, range)]);

  /** A numeric header: the figure now and in the period before. */
  function headline(view, now, before, digits, range) {
    const has = now.n > 0 && now.figure !== null;
    const hadBefore = before.n > 0 && before.figure !== null;
    const moved = has && hadBefore && !isFew(view, now.n) ? now.figure - before.figure : 0;
    return {
      number: has ? view.number(now.figure, digits) : "–",
      trend: moved > 0 ? "Up" : moved < 0 ? "Down" : "None",
      state: has ? valueState(view, now.n, now.figure, range) : "Neutral",
      status: `${count(view, now.n, "n")} · ${view.text(`period.${view.parameters.period || ""}`)}`,
      target: view.number(view.parameters.target, digits),
      before: hadBefore ? view.number(before.figure, digits) : "–",
    };
  }

  const Figures = { Problem };

  Figures.satisfaction = async function (view) {
    const asked = question(view, "question");
    const ask = async (back) => {
      if (back > 0 && !period(view, back)) {
        return { figure: null, n: 0 };
      }
      const filter = all([`${asked.property} ne null`, period(view, back)]);
      const [row] = await aggregate(view, filter, [], [`${asked.property} with average as figure`, "$count as n"]);
      return row || { figure: null, n: 0 };
    };
    const [now, before] = await Promise.all([ask(0), ask(1)]);
    const where = all([`${asked.property} ne null`, period(view, 0)]);
    const one = (figure, n) => (n > 0 ? `${view.number(figure, 2)} · ${count(view, n, "n")}` : "–");
    const item = (label, value) => ({ label: view.text(label), value });
    return Object.assign(headline(view, now, before, 2, asked.best - asked.worst), {
      subtitle: subtitle(view, asked.text),
      unit: view.text("best", view.number(asked.best, 0)),
      where,
      csv: await view.service.csv(view.survey.EntitySet, where),
      items: now.n + before.n === 0 ? null : [
        item("now.item", one(now.figure, now.n)),
        item("before.item", one(before.figure, before.n)),
        item("target.item", view.number(view.parameters.target, 2)),
      ],
    });
  };

  Figures.nps = async function (view) {
    const asked = question(view, "question");
    const property = `${asked.property}_NPS`;
    const groups = async (back) => {
      if (back > 0 && !period(view, back)) {
        return [];
      }
      const filter = all([`${property} ne null`, period(view, back)]);
      return aggregate(view, filter, [property], ["$count as n"]);
    };
    const score = (rows) => {
      const n = rows.reduce((sum, row) => sum + row.n, 0);
      return { n, figure: n === 0 ? null : rows.reduce((sum, row) => sum + row.n * row[property], 0) / n };
    };
    const [rows, earlier] = await Promise.all([groups(0), groups(1)]);
    const now = score(rows);
    const where = all([`${property} ne null`, period(view, 0)]);
    const bar = (label, value, state) => {
      const n = (rows.find((row) => row[property] === value) || { n: 0 }).n;
      const percent = now.n === 0 ? 0 : (100 * n) / now.n;
      return {
        label: view.text(label),
        percent,
        figure: `${view.number(percent, 0)} %`,
        state: isFew(view, now.n) ? "None" : state,
        count: view.number(n, 0),
        where: all([`${property} eq ${value}`, period(view, 0)]),
      };
    };
    return Object.assign(headline(view, now, score(earlier), 0, 100), {
      subtitle: subtitle(view, asked.text),
      unit: "",
      where,
      csv: await view.service.csv(view.survey.EntitySet, where),
      value: now.n === 0 ? [] : [bar("promoters", 100, "Success"), bar("passives", 0, "Warning"), bar("detractors", -100, "Error")],
    });
  };

  async function weeks(view) {
    const asked = question(view, "question");
    const property = recorded(view);
    if (!property) {
      throw new Problem("unknown");
    }
    const since = new Date(Date.now() - 7 * DAY_MS * view.parameters.weeks).toISOString();
    const where = all([`${asked.property} ne null`, `${property} ge ${since}`]);
    const values = [`${asked.property} with average as average`, "$count as n"];
    const recommend = nps(view);
    if (recommend) {
      values.push(`${recommend} with average as nps`);
    }
    const rows = await aggregate(view, where, ["RecordedWeek"], values, { $orderby: "RecordedWeek" });
    const n = rows.reduce((sum, row) => sum + row.n, 0);
    return {
      subtitle: subtitle(view, asked.text),
      status: count(view, n, "n"),
      hasNps: Boolean(recommend),
      csv: await view.service.csv(view.survey.EntitySet, where),
      value: rows.map((row) => Object.assign(bar(view, asked, row, view.day(row.RecordedWeek)), {
        average: row.average,
        n: row.n,
        where: all([`${asked.property} ne null`, `RecordedWeek eq ${row.RecordedWeek}`]),
      })),
    };
  }

  Figures.trend = async function (view) {
    const figures = await weeks(view);
    figures.value.forEach((row) => {
      row.label = named(view, row.n, row.label);
    });
    return figures;
  };

  Figures["trend-table"] = async function (view) {
    const figures = await weeks(view);
    figures.value.reverse();
    return figures;
  };

  /** A row with an average as a bar. */
  function bar(view, asked, row, label) {
    const has = row.average !== null && row.average !== undefined;
    const start = Math.min(0, asked.worst);
    return {
      label: label === null || label === "" ? view.text("nothing") : String(label),
      percent: has ? Math.min(100, Math.max(0, (100 * (row.average - start)) / (asked.best - start))) : 0,
      figure: has ? named(view, row.n, view.number(row.average, 2)) : "–",
      state: has ? rowState(view, row.n, row.average, asked.best - asked.worst) : "None",
      nps: row.nps === null || row.nps === undefined ? "–" : view.number(row.nps, 0),
      count: view.number(row.n, 0),
    };
  }

  Figures.rating = async function (view) {
    const asked = question(view, "question");
    const dimension = question(view, "dimension");
    const where = all([`${asked.property} ne null`, period(view, 0)]);
    const rows = await aggregate(view, where, [dimension.label], [`${asked.property} with average as average`, "$count as n"],
      { $orderby: "average desc", $top: GROUPS_MAX });
    return {
      subtitle: subtitle(view, asked.text),
      status: count(view, rows.reduce((sum, row) => sum + row.n, 0), "n"),
      dimension: dimension.text,
      csv: await view.service.csv(view.survey.EntitySet, where),
      value: rows.map((row) => Object.assign(bar(view, asked, row, row[dimension.label]),
        { where: all([where, `${dimension.label} eq ${literal(row[dimension.label])}`]) })),
    };
  };

  Figures.distribution = async function (view) {
    const asked = question(view, "question");
    const where = all([`${asked.property} ne null`, period(view, 0)]);
    const rows = await aggregate(view, where, [asked.property], ["$count as n"]);
    const n = rows.reduce((sum, row) => sum + row.n, 0);
    const counted = new Map(rows.map((row) => [String(row[asked.property]), row]));
    const row = (label, found) => {
      const percent = found ? (100 * found.n) / n : 0;
      return {
        label: label === "" ? view.text("nothing") : label,
        percent,
        figure: `${view.number(percent, 0)} %`,
        state: isFew(view, n) ? "None" : "Information",
        count: view.number(found ? found.n : 0, 0),
        where: found ? all([`${asked.property} eq ${literal(found[asked.property])}`, period(view, 0)]) : "false",
      };
    };
    const choices = asked.choices.map((choice) => {
      const key = counted.has(choice.recode) ? choice.recode : choice.label;
      const found = counted.get(key);
      counted.delete(key);
      return row(choice.label, found);
    });
    const others = [...counted.entries()].map(([value, found]) => row(value, found));
    return {
      subtitle: subtitle(view, asked.text),
      status: count(view, n, "n"),
      csv: await view.service.csv(view.survey.EntitySet, where),
      value: n === 0 ? [] : choices.concat(others),
    };
  };

  Figures.projects = async function (view) {
    const dimension = question(view, "dimension");
    const asked = optional(view, "question");
    const [last, recommend] = [recorded(view), nps(view)];
    const where = period(view, 0);
    const values = ["$count as n"];
    if (asked) {
      values.push(`${asked.property} with average as average`);
    }
    if (recommend) {
      values.push(`${recommend} with average as nps`);
    }
    if (last) {
      values.push(`${last} with max as last`);
    }
    const rows = await aggregate(view, where, [dimension.label], values, { $orderby: "n desc", $top: GROUPS_MAX });
    return {
      subtitle: subtitle(view, asked ? asked.text : dimension.text),
      status: count(view, rows.reduce((sum, row) => sum + row.n, 0), "responses"),
      dimension: dimension.text,
      hasNps: Boolean(recommend),
      hasLast: Boolean(last),
      csv: await view.service.csv(view.survey.EntitySet, where),
      value: rows.map((row) => Object.assign(bar(view, asked || { worst: 0, best: 1 }, row, row[dimension.label]), {
        last: row.last ? view.ago(row.last) : "–",
        where: all([where, `${dimension.label} eq ${literal(row[dimension.label])}`]),
      })),
    };
  };

  /** The beginning of a text, cut between characters. */
  function beginning(text) {
    const characters = Array.from(text.slice(0, 2 * TEXT_CHARS));
    return characters.length > TEXT_CHARS ? `${characters.slice(0, TEXT_CHARS).join("")}…` : text;
  }

  async function comments(view, page) {
    const texts = question(view, "comments");
    const score = optional(view, "question");
    const dimension = optional(view, "dimension");
    const at = recorded(view);
    const key = view.questions.find((one) => one.Column.toUpperCase() === "RESPONSEID").Property;
    const size = view.parameters.pageSize;
    const narrowed = dimension && view.filter ? `${dimension.label} eq ${literal(view.filter)}` : "";
    const $filter = all([`${texts.property} ne null and ${texts.property} ne ''`, view.parameters.where, narrowed]);
    const select = [key, texts.property, at, score && score.label, dimension && dimension.label].filter(Boolean);
    const answer = await view.service.get(view.survey.EntitySet, {
      $select: [...new Set(select)].join(","),
      $filter,
      $orderby: at ? `${at} desc,${key}` : key,
      $count: true,
      $top: size,
      $skip: page * size,
    });
    const total = Number(answer["@odata.count"]);
    return {
      subtitle: view.parameters.about || subtitle(view, texts.text),
      status: count(view, total, "comments"),
      scoreTitle: view.text("score.column"),
      newer: page > 0,
      older: (page + 1) * size < total,
      csv: await view.service.csv(view.survey.EntitySet, $filter),
      value: answer.value.map((row) => ({
        text: beginning(row[texts.property]),
        about: [dimension && row[dimension.label], at && row[at] && view.instant(row[at])].filter(Boolean).join(" · "),
        score: score && row[score.label] !== null ? String(row[score.label]) : "",
      })),
    };
  }

  Figures.comments = (view) => comments(view, view.page);
  Figures.live = (view) => comments(view, 0);

  /** The values of the dimension, for the filter. */
  Figures.values = async function (view) {
    const dimension = optional(view, "dimension");
    if (!dimension) {
      return [];
    }
    const rows = await aggregate(view, `${dimension.label} ne null`, [dimension.label], ["$count as n"],
      { $orderby: "n desc", $top: VALUES_MAX });
    const values = rows.map((row) => String(row[dimension.label])).filter(Boolean).sort();
    return [{ key: "", title: view.text("all", dimension.text) }].concat(values.map((value) => ({ key: value, title: value })));
  };

  /** The link with what the parameters say; empty ones are left out. */
  Figures["take-survey"] = async function (view) {
    const fields = view.questions
      .filter((one) => one.Type === "embedded-data" && view.parameters[`field_${one.Property}`])
      .map((one) => ({ name: one.Tag, value: String(view.parameters[`field_${one.Property}`]) }));
    const query = fields.map(({ name, value }) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
    const items = [{ label: view.text("survey.item"), value: view.survey.Name }]
      .concat(fields.map(({ name, value }) => ({ label: name, value })));
    const form = `${view.parameters.form}${view.survey.SurveyId}`;
    return {
      subtitle: view.survey.Name,
      status: count(view, view.survey.Rows || 0, "responses"),
      url: query ? `${form}?${query}` : form,
      items,
    };
  };

  return Figures;
});
