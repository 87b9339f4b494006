// Which words an answer hangs on, with the whole stack and without each of its components.

import { ask } from "./ask.js";
import { element, foreign, percent, table } from "./elements.js";

// A button, and below it what the server says once it is pressed.
export function explanation(stack, text, language) {
  const place = element("div", { "aria-live": "polite" });
  const button = element("button", { type: "button", onclick: async () => {
    button.disabled = true;
    place.replaceChildren(element("p", { class: "dim" }, "Computing …"));
    try {
      place.replaceChildren(...explained(await ask("v1/explain", { text, stack }), language));
      button.hidden = true;
    } catch (error) {
      place.replaceChildren(element("p", { class: "error" }, error.message));
      button.disabled = false;
    }
  } }, "Which words does it hang on?");
  return element("div", { class: "explanation" }, button, place);
}

function explained(found, language) {
  const most = Math.max(1e-9, ...found.variants.flatMap((variant) => variant.words.map(Math.abs)));
  const target = found.kind === "similarity" ? "the likeness" : foreign("bdi", found.target);
  const legend = element("p", { class: "dim legend" }, `Words `, element("b", {}, "for"), ` and `,
    element("b", { class: "other" }, "against"), " ", target, "; the stronger the colour, the more.");
  return [legend, ...found.variants.map((variant) => marked(found, variant, most, language)), numbers(found, language)];
}

function marked(found, variant, most, language) {
  const answer = variant.answer ? [" ", foreign("bdi", variant.answer), `, ${percent(variant.probability)}`] : [];
  const line = foreign("p", "", language, { class: "words" });
  const letters = [...found.text];
  let from = 0;
  found.words.forEach(([word, start, end], place) => {
    // Places count characters, as Python does, and not the halves of JavaScript.
    line.append(letters.slice(from, start).join(""));
    const value = variant.words[place];
    const span = element("span", { class: value > 0 ? "for" : value < 0 ? "against" : null }, letters.slice(start, end).join("") || word);
    span.style.setProperty("--share", `${Math.round((Math.abs(value) / most) * 75)}%`);
    if (Math.abs(value) < most * 0.05) span.removeAttribute("class");
    line.append(span);
    from = end;
  });
  line.append(letters.slice(from).join(""));
  return element("div", { class: "variant" }, element("strong", {}, `${variant.label}:`), ...answer, line);
}

function numbers(found, language) {
  const rows = found.words.map(([word], place) => element("tr", {},
    foreign("th", word, language, { scope: "row" }),
    found.variants.map((variant) => element("td", { class: "number" }, signed(variant.words[place]))),
  ));
  const heads = ["Word", ...found.variants.map((variant) => variant.label)];
  return element("details", {},
    element("summary", {}, "As numbers"),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of words" },
      table(`What each word adds to ${found.target}`, heads, rows)),
  );
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
