// The feedback service as a card reaches it: OData through the card's destination, and one stream of events that all
// cards of a page share, because browsers allow few connections to a server.
sap.ui.define([], function () {
  "use strict";

  const ODATA = "/odata/v4/feedback";
  const SURVEYS_MS = 900; // cards that look at the same time ask once
  const QUESTIONS_MS = 300000;
  const RECONNECT_MS = 5000;
  const POLL_MS = 15000; // without a stream; what did not change is answered with 304

  const shared = (window.qualtricsFeedback = window.qualtricsFeedback || { streams: new Map(), answers: new Map() });

  /** A stream of events with those who listen to it. */
  class Stream {
    constructor(url) {
      this.url = url;
      this.listeners = new Set();
      this.timer = setInterval(() => this.check(), RECONNECT_MS);
      this.polled = Date.now();
      this.whenVisible = () => (document.hidden ? this.close() : this.open(true));
      document.addEventListener("visibilitychange", this.whenVisible);
      if (!document.hidden) {
        this.open(false);
      }
    }

    open(isLate) {
      this.close();
      this.source = new EventSource(this.url, { withCredentials: true });
      this.source.addEventListener("row", (event) => this.tell(JSON.parse(event.data).set));
      this.source.addEventListener("reset", () => this.tell(null));
      if (isLate) {
        this.source.addEventListener("open", () => this.tell(null), { once: true });
      }
    }

    close() {
      if (this.source) {
        this.source.close();
        this.source = null;
      }
    }

    isOpen() {
      return Boolean(this.source) && this.source.readyState === EventSource.OPEN;
    }

    /** The browser reconnects by itself, except after an answer that is no stream. */
    check() {
      if (document.hidden || this.isOpen()) {
        return;
      }
      if (!this.source || this.source.readyState === EventSource.CLOSED) {
        this.open(true);
      }
      if (Date.now() - this.polled >= POLL_MS) {
        this.polled = Date.now();
        this.tell(null);
      }
    }

    /** Rows of a set landed; of any set, if it is null. */
    tell(set) {
      this.listeners.forEach((listener) => listener(set));
    }

    end() {
      clearInterval(this.timer);
      document.removeEventListener("visibilitychange", this.whenVisible);
      this.close();
    }
  }

  /** An answer that several cards want is asked for once. */
  function once(key, milliseconds, ask) {
    const there = shared.answers.get(key);
    if (there && Date.now() - there.at < milliseconds) {
      return there.answer;
    }
    const answer = ask();
    shared.answers.set(key, { at: Date.now(), answer });
    answer.catch(() => shared.answers.delete(key));
    return answer;
  }

  class Service {
    constructor(card) {
      this.card = card;
    }

    /** A card that another one opened has the address from it, because it has no destinations of its own. */
    base() {
      if (!this.baseUrl) {
        const { base } = this.card.getCombinedParameters();
        this.baseUrl = (base === undefined ? this.card.resolveDestination("feedback") : Promise.resolve(base))
          .then((url) => url.replace(/\/$/, ""));
      }
      return this.baseUrl;
    }

    async get(path, parameters) {
      const base = await this.base();
      return this.card.request({ url: `${base}${ODATA}/${path}`, parameters });
    }

    async surveys() {
      const base = await this.base();
      return once(`${base} surveys`, SURVEYS_MS, async () => (await this.get("Surveys", { $orderby: "Name" })).value);
    }

    async questions(survey) {
      const base = await this.base();
      const $filter = `SurveyId eq ${Service.literal(survey)}`;
      return once(`${base} questions ${survey}`, QUESTIONS_MS, async () => (await this.get("Questions", { $filter })).value);
    }

    /** The address of all rows that a filter leaves, as CSV. */
    async csv(set, filter) {
      const base = await this.base();
      return `${base}${ODATA}/${set}?$format=csv${filter ? `&$filter=${encodeURIComponent(filter)}` : ""}`;
    }

    /** Calls back when rows land, until the function that it answers is called. */
    async listen(listener) {
      const url = `${await this.base()}/events`;
      const stream = shared.streams.get(url) || new Stream(url);
      shared.streams.set(url, stream);
      stream.listeners.add(listener);
      return () => {
        stream.listeners.delete(listener);
        if (stream.listeners.size === 0) {
          shared.streams.delete(url);
          stream.end();
        }
      };
    }

    /** A value in OData's spelling. */
    static literal(value) {
      return typeof value === "string" ? `'${value.replace(/'/g, "''")}'` : String(value);
    }
  }

  return Service;
});
