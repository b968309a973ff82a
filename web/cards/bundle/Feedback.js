// The code behind every card: asks the service for the card's figures, says how fresh they are, looks again when rows
// land, and tells empty, forbidden and broken apart.
sap.ui.define([
  "sap/ui/integration/Extension",
  "sap/ui/core/format/DateFormat",
  "sap/ui/core/format/NumberFormat",
  "./Figures",
  "./Service",
], function (Extension, DateFormat, NumberFormat, Figures, Service) {
  "use strict";

  const REFRESH_MS = 700; // a card looks again at most so often
  const QUIET_MS = 60000; // and at least so often: what it says of its freshness ages
  const LATE_SECONDS = 30; // a response may be on its way so long before that is worth a warning

  return Extension.extend("qualtrics.feedback.Feedback", {
    init: function () {
      Extension.prototype.init.apply(this, arguments);
      this.page = 0;
      this.filter = "";
      this.minute = setInterval(() => this.landed(null), QUIET_MS);
      this.attachAction(this.act.bind(this));
    },

    exit: function () {
      this.isOver = true;
      clearTimeout(this.timer);
      clearInterval(this.minute);
      if (this.stopListening) {
        this.stopListening();
      }
      Extension.prototype.exit.apply(this, arguments);
    },

    onCardReady: async function () {
      const stop = await this.service().listen((set) => this.landed(set));
      if (this.isOver) {
        stop();
      } else {
        this.stopListening = stop;
      }
    },

    /** What the manifest binds: the figures of one kind of card. */
    load: async function (kind, value) {
      const filter = value ? decodeURIComponent(value) : "";
      this.kind = kind;
      if (filter !== this.filter) {
        this.page = 0;
        this.filter = filter;
      }
      try {
        const view = await this.view();
        const figures = await Figures[kind](view);
        const empty = this.message(view.survey.Rows === 0 ? "empty" : "unanswered", "NoData");
        return Object.assign({ base: view.base, freshness: this.freshness(view.survey), empty }, figures);
      } catch (problem) {
        return this.broken(problem);
      }
    },

    /** The values of the dimension that comments can be narrowed to. */
    values: async function () {
      try {
        return await Figures.values(await this.view());
      } catch (problem) {
        return [];
      }
    },

    /** What figures are made from. */
    view: async function () {
      const parameters = this.getCard().getCombinedParameters();
      const surveys = await this.service().surveys();
      const survey = parameters.survey ? surveys.find((one) => one.SurveyId === parameters.survey) : surveys[0];
      if (!survey) {
        throw new Figures.Problem("hidden");
      }
      this.set = survey.EntitySet;
      const questions = await this.service().questions(survey.SurveyId);
      return {
        parameters,
        survey,
        questions,
        hasOthers: surveys.length > 1,
        service: this.service(),
        base: await this.service().base(),
        page: this.page,
        filter: this.filter,
        text: (key, ...values) => this.getCard().getTranslatedText(key, values),
        number: (value, digits) => NumberFormat.getFloatInstance({ maxFractionDigits: digits, minFractionDigits: digits }).format(value),
        instant: (text) => DateFormat.getDateTimeInstance({ style: "medium/short" }).format(new Date(text)),
        ago: (text) => DateFormat.getDateTimeInstance({ relative: true, relativeScale: "auto", relativeStyle: "narrow" }).format(new Date(text)),
        day: (text) => DateFormat.getDateInstance({ style: "medium", UTC: true }).format(new Date(`${text}T00:00:00Z`), true),
      };
    },

    service: function () {
      this.ownService = this.ownService || new Service(this.getCard());
      return this.ownService;
    },

    landed: function (set) {
      if (set !== null && this.set && set !== this.set) {
        return;
      }
      const wait = Math.max(0, (this.refreshed || 0) + REFRESH_MS - Date.now());
      this.timer = this.timer || setTimeout(() => {
        this.timer = null;
        this.refreshed = Date.now();
        this.look();
      }, wait);
    },

    /** New figures in the place of the old ones. The card's own refresh would empty it until they are there. */
    look: async function () {
      const model = this.getCard().getModel();
      if (document.hidden || !this.kind || !model) {
        return;
      }
      const figures = await this.load(this.kind, encodeURIComponent(this.filter));
      if (!this.isOver) {
        model.setData(figures);
      }
    },

    act: function (event) {
      if (event.getParameter("type") !== "Custom") {
        return;
      }
      const { method } = event.getParameter("parameters");
      this.page = method === "older" ? this.page + 1 : method === "newer" ? Math.max(0, this.page - 1) : this.page;
      this.look();
    },

    /** "live, 0.4 s", "12 responses on their way", "complete up to 14:32"; amber where somebody should know. */
    freshness: function (survey) {
      const text = (key, ...values) => this.getCard().getTranslatedText(key, values);
      const complete = survey.CompleteUpTo ? text("complete", this.since(survey.CompleteUpTo)) : text("unchecked");
      const isCut = ["missing", "foreign_key", "silent"].includes(survey.Subscription);
      const pending = survey.PendingEvents || 0;
      let words = survey.EventToRowP50Ms === null || survey.EventToRowP50Ms === undefined
        ? text("live") : text("live.after", this.duration(survey.EventToRowP50Ms));
      let isAmber = false;
      if (isCut || survey.Subscription === "off") {
        words = complete;
        isAmber = isCut;
      }
      if (pending > 0) {
        words = pending === 1 ? text("pending.one") : text("pending.many", pending);
        isAmber = isAmber || survey.OldestPendingSeconds > LATE_SECONDS;
      }
      if (survey.DeadEvents > 0) {
        words = `${words}, ${text("dead", survey.DeadEvents)}`;
        isAmber = true;
      }
      return {
        text: words,
        icon: isAmber ? "sap-icon://alert" : "",
        buttonType: isAmber ? "Attention" : "Transparent",
        tooltip: `${text("freshness.tooltip")}: ${complete}`,
      };
    },

    duration: function (milliseconds) {
      const number = (value, digits) => NumberFormat.getFloatInstance({ maxFractionDigits: digits }).format(value);
      return milliseconds < 100
        ? this.getCard().getTranslatedText("milliseconds", [number(Math.max(1, milliseconds), 0)])
        : this.getCard().getTranslatedText("seconds", [number(milliseconds / 1000, 1)]);
    },

    since: function (instant) {
      const date = new Date(instant);
      const isToday = date.toDateString() === new Date().toDateString();
      const format = isToday ? DateFormat.getTimeInstance({ style: "short" }) : DateFormat.getDateTimeInstance({ style: "short" });
      return format.format(date);
    },

    message: function (key, type) {
      const card = this.getCard();
      return { type, title: card.getTranslatedText(`${key}.title`), description: card.getTranslatedText(`${key}.description`) };
    },

    /** A card without figures that says why. */
    broken: function (problem) {
      const response = Array.isArray(problem) ? problem[1] : null;
      const status = response ? response.status : 0;
      let key = "error";
      if (problem instanceof Figures.Problem) {
        key = problem.key;
      } else if (status === 401 || status === 403) {
        key = "forbidden";
      }
      const type = key === "error" ? "UnableToLoad" : "NoData";
      const empty = this.message(key, type);
      const amber = { text: empty.title, icon: "sap-icon://alert", buttonType: "Attention", tooltip: empty.description };
      return { value: [], items: null, number: "–", state: "Neutral", subtitle: "", status: "", freshness: amber, empty };
    },
  });
});
