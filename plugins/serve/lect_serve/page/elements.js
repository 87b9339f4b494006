// Elements made from texts alone: nothing that the server says is ever read as markup here.

import { gettext, lang, number } from "./messages.js";

export const byId = (id) => document.getElementById(id);

// An element with attributes and children; texts become text nodes, and what is empty, null or false is left out.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child));
  return made;
}

export const button = (text, label, click) => element("button", { type: "button", "aria-label": label, click }, text);

// A text in a language and direction of its own.
export const foreign = (name, text, language = null, attributes = {}) =>
  element(name, { dir: "auto", lang: language, ...attributes }, text);

export function table(caption, heads, rows) {
  return element("table", {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, rows),
  );
}

// Something that is made when it is first opened; what goes wrong is said there, and tried again at the next opening.
export function opened(summary, make) {
  const place = element("div", {});
  const state = element("p", { role: "status" });
  let asked = false;
  const toggle = async () => {
    if (!made.open || asked) return;
    asked = true;
    state.className = "dim";
    state.textContent = gettext("Asking …");
    state.lang = lang;
    try {
      place.replaceChildren(...[await make()].flat());
      state.textContent = "";
    } catch (error) {
      asked = false;
      state.className = "error";
      state.textContent = error.message;
      state.lang = error.language ?? lang;
    }
  };
  const made = element("details", { toggle }, element("summary", {}, summary), state, place);
  return made;
}

// The width of a bar is set here, since the page's policy allows no style in markup.
export function bar(share) {
  const made = element("span", { class: "bar" });
  made.style.inlineSize = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return element("span", { class: "track", "aria-hidden": "true" }, made);
}

export const percent = (share) => gettext("{number} %", { number: number(share * 100, 1) });

export function bytes(count) {
  const units = [
    (value) => gettext("{number} bytes", { number: value }),
    (value) => gettext("{number} kB", { number: value }),
    (value) => gettext("{number} MB", { number: value }),
    (value) => gettext("{number} GB", { number: value }),
    (value) => gettext("{number} TB", { number: value }),
  ];
  const step = count < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return units[step](number(count / 1000 ** step, step ? 1 : 0));
}

const names = new Intl.DisplayNames(lang, { type: "language", fallback: "code" });

// A language by its name where the browser knows it, and by its tag.
export function languageName(tag) {
  try {
    const name = names.of(tag);
    return name === tag ? tag : `${name} (${tag})`;
  } catch {
    return tag;
  }
}

// Say what went wrong, or with null that nothing did any more.
export function complain(id, error) {
  const place = byId(id);
  const line = error === null ? "" : error.message;
  place.hidden = error === null;
  place.lang = error?.language ?? lang;
  // Said again only where it is another: a screen reader reads it out.
  if (place.textContent !== line) place.textContent = line;
}

// Do what a button is for, once at a time: what is being done and what came of it is said in one place, errors in
// another. The button keeps the focus, which it would lose if it were disabled.
export async function attempt(pressed, state, place, doing, action) {
  if (pressed.getAttribute("aria-disabled") === "true") return;
  pressed.setAttribute("aria-disabled", "true");
  byId(state).textContent = doing;
  try {
    const done = await action();
    complain(place, null);
    byId(state).textContent = done;
  } catch (error) {
    byId(state).textContent = "";
    complain(place, error);
  }
  pressed.removeAttribute("aria-disabled");
}
