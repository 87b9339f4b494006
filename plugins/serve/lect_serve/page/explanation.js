// Which words an answer hangs on, with the whole stack and without each of its components.

import { ask } from "./ask.js";
import { element, foreign, opened, percent, table } from "./elements.js";
import { gettext, number, pieces } from "./messages.js";

// Shares of the largest attribution below this are not coloured.
const LEAST = 0.05;

export const explanation = (stack, text, language) =>
  opened(gettext("Which words it hangs on"), async () => explained(await ask("v1/explain", { text, stack }), language));

function explained(found, language) {
  const most = Math.max(1e-9, ...found.variants.flatMap((variant) => variant.words.map(Math.abs)));
  const target = found.kind === "similarity" ? gettext("the similarity") : foreign("bdi", found.target);
  const legend = element("p", { class: "dim legend" }, pieces("Words that speak {for} and {against} {target}; the stronger the colour, the more.", {
    for: element("span", { class: "for" }, gettext("for")), against: element("span", { class: "against" }, gettext("against")), target,
  }));
  return [legend, ...found.variants.map((variant) => marked(found, variant, most, language)), numbers(found, language)];
}

function marked(found, variant, most, language) {
  const answer = variant.answer ? [" ", foreign("bdi", variant.answer), `, ${percent(variant.probability)}`] : [];
  const line = foreign("p", "", language, { class: "words" });
  // Places count characters, as Python does, and not the halves of JavaScript.
  const letters = [...found.text];
  let from = 0;
  found.words.forEach(([, start, end], place) => {
    line.append(letters.slice(from, start).join(""));
    const value = variant.words[place], share = Math.abs(value) / most;
    const word = element("span", { class: share < LEAST ? null : value > 0 ? "for" : "against" }, letters.slice(start, end).join(""));
    word.style.setProperty("--share", `${Math.round(share * 60)}%`);
    line.append(word);
    from = end;
  });
  line.append(letters.slice(from).join(""));
  return element("div", { class: "variant" }, element("strong", {}, `${labelOf(variant)}:`), ...answer, line);
}

// The whole stack, what is left of it without a part, or the backbone alone.
function labelOf({ label }) {
  if (label === "bare backbone") return gettext("bare backbone");
  return label.startsWith("without ") ? gettext("without {part}", { part: label.slice("without ".length) }) : label;
}

function numbers(found, language) {
  const rows = found.words.map(([word], place) => element("tr", {},
    foreign("th", word, language, { scope: "row" }),
    found.variants.map((variant) => element("td", { class: "number" }, signed(variant.words[place]))),
  ));
  const heads = [gettext("Word"), ...found.variants.map(labelOf)];
  return element("details", {},
    element("summary", {}, gettext("As numbers")),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": gettext("Table of words") },
      table(gettext("What each word adds to the score"), heads, rows)),
  );
}

const signed = (value) => `${value < 0 ? "−" : "+"}${number(Math.abs(value), 3)}`;
