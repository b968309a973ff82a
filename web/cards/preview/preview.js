// Shows every card in the real UI5, the way Work Zone would: a host that knows the destination, and for each card the
// settings that its own editor form describes.
sap.ui.define([
  "sap/base/i18n/Localization",
  "sap/ui/VersionInfo",
  "sap/ui/core/Theming",
  "sap/ui/integration/Host",
  "sap/ui/integration/widgets/Card",
], function (Localization, VersionInfo, Theming, Host, Card) {
  "use strict";

  const root = new URL("..", document.baseURI).href.replace(/\/$/, "");
  const WIDE = ["projects", "live", "comments"];
  const byId = (id) => document.getElementById(id);

  async function getJson(url) {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (!response.ok) {
      throw new Error(`${url}: HTTP ${response.status}`);
    }
    return response.json();
  }

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    made.append(...children);
    return made;
  }

  /** Work Zone resolves destinations and knows who looks; here that is this service, and whom it says we are. */
  function host(destination) {
    const me = getJson(`${root}/me`).catch(() => ({}));
    return new Host({
      resolveDestination: (name) => (name === destination ? Promise.resolve(root) : Promise.reject(new Error(`no destination ${name}`))),
      getContextValue: async (path) => {
        const { email, subject } = await me;
        return { "sap.workzone/currentUser/email/value": email, "sap.workzone/currentUser/id/value": subject }[path] || "";
      },
    });
  }

  /** Charts are in SAPUI5 only. */
  async function hasCharts() {
    try {
      return (await VersionInfo.load()).libraries.some(({ name }) => name === "sap.viz");
    } catch (problem) {
      return false;
    }
  }

  async function values(card, offered, parameters) {
    const resolved = (text) => text.replace(/\{items>([^/]+)\/value\}/g, (_, name) => parameters[name]);
    const translated = (text) => text.replace(/\{i18n>([^}]+)\}/g, (_, key) => card.getTranslatedText(key));
    if (offered.data.json) {
      return offered.data.json.map(({ key, text }) => ({ key, text: translated(text) }));
    }
    const { url, parameters: asked } = offered.data.request;
    const query = Object.entries(asked).map(([name, value]) => `${name}=${encodeURIComponent(resolved(value))}`).join("&");
    const { value } = await getJson(`${url.replace("{{destinations.feedback}}", root)}?${query}`);
    const property = (template) => template.replace(/^\{|\}$/g, "");
    return value.map((row) => ({ key: row[property(offered.item.key)], text: row[property(offered.item.text)] }));
  }

  async function field(card, name, item, parameters) {
    const label = item.label.replace(/\{i18n>([^}]+)\}/g, (_, key) => card.getTranslatedText(key));
    let input;
    if (item.values) {
      input = element("select", { name });
      const offered = await values(card, item.values, parameters);
      offered.forEach(({ key, text }) => input.append(element("option", { value: key }, `${text}`)));
    } else {
      input = element("input", { name, type: item.type === "string" ? "text" : "number", step: "any" });
    }
    input.value = parameters[name];
    return element("label", {}, label, input);
  }

  /** The form of the card's own editor configuration. */
  async function settings(card, name, place) {
    const Configuration = await new Promise((resolve, reject) => {
      sap.ui.require([`preview/${name}/dt/Configuration`], resolve, reject);
    });
    const items = new Configuration().getSettings().form.items;
    const parameters = card.getCombinedParameters();
    const show = async () => {
      const fields = await Promise.all(Object.entries(items).map(([key, item]) => field(card, key, item, parameters)));
      place.replaceChildren(...fields);
    };
    place.addEventListener("change", async (event) => {
      const { name: key, value } = event.target;
      parameters[key] = items[key].type === "string" ? value : Number(value);
      card.setParameters(Object.assign({}, parameters));
      if (key === "survey") {
        await show();
      }
    });
    await show();
  }

  function show(name, where) {
    const place = element("div", {});
    const form = element("div", { class: "settings" });
    const details = element("details", {}, element("summary", {}, `Settings of ${name}`), form);
    const section = element("section", { "data-card": name, "aria-label": name }, place, details);
    section.classList.toggle("wide", WIDE.includes(name));
    byId("cards").append(section);
    const card = new Card({ manifest: new URL(`${name}/manifest.json`, document.baseURI).href, host: where });
    card.placeAt(place);
    details.addEventListener("toggle", () => settings(card, name, form), { once: true });
  }

  function look() {
    const form = byId("look");
    form.theme.value = Theming.getTheme();
    form.addEventListener("change", ({ target }) => {
      if (target.name === "theme") {
        Theming.setTheme(target.value);
      } else if (target.name === "language") {
        Localization.setLanguage(target.value || navigator.language);
        byId("cards").replaceChildren();
        showAll();
      } else {
        document.body.classList.toggle("sapUiSizeCompact", target.checked);
      }
    });
  }

  async function showAll() {
    try {
      const [{ destination, cards }, charts] = await Promise.all([getJson("cards.json"), hasCharts()]);
      const where = host(destination);
      const shown = cards.filter(({ type }) => type !== "Analytical" || charts);
      shown.forEach(({ name }) => show(name, where));
      if (shown.length === 0) {
        byId("notice").textContent = "No card can be shown yet: no survey is known. Look again in a moment.";
      } else if (shown.length < cards.length) {
        byId("notice").textContent = "The chart of the trend needs SAPUI5; its table form is shown here.";
      }
    } catch (problem) {
      byId("notice").textContent = `The cards can't be listed: ${problem.message}`;
    }
  }

  look();
  showAll();
});
