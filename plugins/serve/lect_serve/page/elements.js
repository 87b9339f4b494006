// Elements made from texts alone: nothing that the server says is ever read as markup here.

export const byId = (id) => document.getElementById(id);

// An element with attributes and children; texts become text nodes, and attributes that are null or false are left out.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

// A text in a language and direction of its own.
export const foreign = (name, text, language = null, attributes = {}) =>
  element(name, { dir: "auto", lang: language, ...attributes }, text);

export function table(caption, heads, rows) {
  return element(
    "table", {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, rows),
  );
}

// The width of a bar is set here, since the page's policy allows no style in markup.
export function bar(share) {
  const made = element("span", { class: "bar" });
  made.style.inlineSize = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return element("span", { class: "track", "aria-hidden": "true" }, made);
}

export const percent = (share) => `${(share * 100).toFixed(1)} %`;

export function bytes(count) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const step = count < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return `${step ? (count / 1000 ** step).toFixed(1) : count} ${units[step]}`;
}

// Say what went wrong, or with null that nothing did any more.
export function complain(id, error) {
  const place = byId(id);
  place.hidden = error === null;
  place.textContent = error === null ? "" : error.message;
}
