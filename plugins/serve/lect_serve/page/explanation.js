// Which words an answer hangs on, with the whole stack and without each of its components.

import { ask } from "./ask.js";
import { element, foreign, opened, percent, table } from "./elements.js";

// Shares of the largest attribution below this are not coloured.
const LEAST = 0.05;

export const explanation = (stack, text, language) =>
  opened("Which words it hangs on", async () => explained(await ask("v1/explain", { text, stack }), language));

function explained(found, language) {
  const most = Math.max(1e-9, ...found.variants.flatMap((variant) => variant.words.map(Math.abs)));
  const target = found.kind === "similarity" ? "the similarity" : foreign("bdi", found.target);
  const legend = element("p", { class: "dim legend" }, "Words that speak ", element("span", { class: "for" }, "for"), " and ",
    element("span", { class: "against" }, "against"), " ", target, "; the stronger the colour, the more.");
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
    word.style.setProperty("--share", `${Math.round(share * 75)}%`);
    line.append(word);
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
      table("What each word adds to the score", heads, rows)),
  );
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
