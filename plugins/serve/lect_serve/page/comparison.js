// One text, several stacks, side by side.

import { ask } from "./ask.js";
import { attempt, bar, byId, button, element, foreign, languageName, percent } from "./elements.js";
import { explanation } from "./explanation.js";
import { gettext, lang, ngettext, number, pieces } from "./messages.js";

const MOST_OFFERED = 500;
const MOST_SCORES = 30;
const languages = new Map();
let usual = "";

// Stacks that are offered while one is typed, and the languages of components.
export function know(components, stacks) {
  usual = stacks[0] ?? "";
  for (const each of components) languages.set(each.component, each.languages[0]);
  const tasks = components.filter((each) => each.head).map((each) => each.component);
  const parts = components.filter((each) => each.component.startsWith("lang:")).map((each) => each.component);
  if (parts.length) parts.unshift("lang:auto");
  const offered = new Set([...stacks, ...(parts.length && stacks.length ? ["auto"] : []), ...tasks, ...tasks.flatMap((task) => parts.map((part) => `${part} + ${task}`))]);
  byId("known-stacks").replaceChildren(
    ...[...offered].slice(0, MOST_OFFERED).map((stack) => element("option", { value: stack })),
  );
}

const inputs = () => [...document.querySelectorAll("#stacks input")];

export function addStack(value = "") {
  const input = element("input", {
    value, list: "known-stacks", spellcheck: "false", autocapitalize: "none", autocomplete: "off",
    "aria-label": gettext("Stack"), "aria-describedby": "stack-note",
  });
  const row = element("li", {}, input, button("✕", gettext("Remove this stack"), () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (next?.querySelector("input") ?? byId("add-stack")).focus();
  }));
  byId("stacks").append(row);
  return input;
}

export function showStacks(stacks) {
  if (inputs().some((input) => input.value.trim())) return;
  byId("stacks").replaceChildren();
  for (const stack of stacks.length ? stacks : [""]) addStack(stack);
}

// Put a component where it can be tried: a task as a stack, a language before the first stack that has none.
export function tryComponent(component) {
  if (component.startsWith("lang:")) {
    const bare = inputs().find((input) => input.value.trim() && withoutLanguage(input.value) === null);
    if (bare) bare.value = `${component} + ${bare.value.trim()}`;
    else {
      const rest = inputs().map((input) => withoutLanguage(input.value)).find(Boolean);
      fill(rest ? `${component} + ${rest}` : component);
    }
  } else fill(component);
  byId("text").focus();
}

function fill(stack) {
  if (inputs().some((input) => input.value.trim() === stack)) return;
  (inputs().find((input) => !input.value.trim()) ?? addStack()).value = stack;
}

// The stack without its terms of languages; null where it has none, or is nothing else.
function withoutLanguage(stack) {
  if (stack.trim() === "auto") return usual && (withoutLanguage(usual) ?? usual);
  const terms = [""];
  let depth = 0;
  for (const letter of stack) {
    depth += (letter === "(") - (letter === ")");
    if (letter === "+" && depth === 0) terms.push("");
    else terms[terms.length - 1] += letter;
  }
  const kept = terms.map((term) => term.trim()).filter((term) => term && !/\blang:/.test(term));
  return kept.length && kept.length < terms.length ? kept.join(" + ") : null;
}

export function answerAll(event) {
  event.preventDefault();
  const submit = event.target.querySelector("button.main");
  return attempt(submit, "try-state", "try-error", gettext("Asking …"), async () => {
    const rows = rowsOf([...new Set(inputs().map((input) => input.value.trim()).filter(Boolean))]);
    if (!rows.length) throw new Error(gettext("No stack is named. Type one, such as {stack}.", { stack: "task:sentiment" }));
    const given = typedInput();
    // Each by itself: where one is refused, the others answer.
    const shown = await Promise.all(rows.map(async (row) => element("div", { class: "row" },
      await Promise.all(row.map(([stack, note]) => answerOf(stack, note, given))))));
    byId("answers").replaceChildren(...shown);
    const count = rows.flat().length, answered = document.querySelectorAll(".answer > .value").length;
    return answered === count ? ngettext("{count} answer.", "{count} answers.", count)
      : ngettext("{count} answer, {refused} refused.", "{count} answers, {refused} refused.", answered, { refused: number(count - answered) });
  });
}

function typedInput() {
  const given = { text: byId("text").value };
  if (byId("pair").value) given.pair = byId("pair").value;
  if (byId("question").value) given.question = byId("question").value;
  if (byId("language").value.trim()) given.language = byId("language").value.trim();
  const choices = byId("choices").value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (choices.length) given.choices = choices;
  return given;
}

// What is asked, with a note for each: stacks of which the same is left without a language stand in a row with that.
function rowsOf(typed) {
  if (!byId("without-language").checked) return typed.length ? [typed.map((stack) => [stack, ""])] : [];
  const rows = new Map();
  for (const stack of typed) {
    const rest = withoutLanguage(stack);
    const row = rows.get(rest ?? stack) ?? [];
    rows.set(rest ?? stack, rest === null ? row : [...row, [stack, ""]]);
  }
  return [...rows].map(([rest, row]) => [...row, [rest, row.length ? gettext("Without a language part") : ""]]);
}

async function answerOf(stack, note, given) {
  const card = element("article", { class: "answer", "aria-label": stack, "data-stack": stack },
    element("h3", {}, element("code", {}, stack)),
    note && element("p", { class: "dim" }, note),
  );
  try {
    const answer = await ask("v1/predict", { inputs: [given], stack });
    card.append(...contents(stack, given, answer).filter(Boolean));
  } catch (error) {
    card.append(element("p", { class: "error", lang: error.language }, error.message));
  }
  return card;
}

function contents(stack, given, answer) {
  const [result] = answer.results;
  const language = result.language?.tag ?? languageOf(stack);
  const scores = Object.entries(result.scores ?? {}).sort(([, one], [, other]) => other - one);
  // Words are explained of what gives a text, and nothing besides it, one label.
  const isExplained = !(given.pair || given.question || given.choices) && scores.length > 0;
  return [
    result.tags ? tagged(result, language) : foreign("p", shown(result.answer), language, { class: "value" }),
    result.reason && element("p", { class: "dim", lang: "en" }, result.reason),
    result.language && chosen(result.language),
    scores.length ? scoreTable(scores) : typeof result.score === "number" && element("p", {}, gettext("Score {value}", { value: shown(result.score) })),
    result.truncated && element("p", { class: "dim" }, gettext("The text is longer than the stack reads; its end was left out.")),
    isExplained && explanation(result.stack, given.text, language),
    madeBy(Object.values(answer.made_by)),
    element("details", {},
      element("summary", {}, gettext("As JSON")),
      element("pre", { tabindex: "0", dir: "ltr" }, JSON.stringify(answer, null, 2)),
    ),
  ];
}

function languageOf(stack) {
  const named = [...stack.matchAll(/\blang:[^\s+,()*]+/g)].map(([name]) => languages.get(name)).find(Boolean);
  return named ?? null;
}

// Which language the text was found to be in, and which component was taken for it or why none.
function chosen({ tag, probability, identified_by: by, reason }) {
  const named = { language: element("strong", {}, languageName(tag)), reason: element("span", { lang: "en" }, reason) };
  return element("p", { class: "dim" }, by === "row" ? pieces("{language} was given: {reason}.", named)
    : pieces("{language}, {share} sure: {reason}.", { ...named, share: percent(probability) }));
}

// Each word above its tag, in the direction of the words: a browser takes it from them where nothing else sets one.
function tagged({ words, tags }, language) {
  return element("ol", { class: "value tagged", dir: "auto", lang: language }, words.map((word, place) =>
    element("li", {}, element("span", {}, word), element("small", { lang: "en" }, tags[place]))));
}

function scoreTable(scores) {
  const most = Math.max(1, ...scores.map(([, score]) => score));
  const areShares = scores.every(([, score]) => score >= 0 && score <= 1);
  const rows = scores.slice(0, MOST_SCORES).map(([label, score]) => element("tr", {},
    foreign("th", label, null, { scope: "row" }),
    element("td", { class: "bars" }, bar(score / most)),
    element("td", { class: "number" }, areShares ? percent(score) : number(score, 3)),
  ));
  const left = scores.length - rows.length;
  return element("table", { class: "scores" },
    element("caption", { class: left > 0 ? null : "unseen" }, left > 0 ? gettext("The best {count} of {all} scores", { count: number(rows.length), all: number(scores.length) }) : gettext("Scores")),
    element("tbody", {}, rows),
  );
}

function madeBy(made) {
  const components = made.flatMap((each) => each.components).map((each) => element("li", {},
    element("strong", {}, each.component), ` ${each.version}, ${each.licence || gettext("licence not stated")}, `,
    element("code", {}, each.digest.slice(0, 12)),
  ));
  const strengths = made.flatMap((each) => Object.entries(each.strengths ?? {})).map(([term, strength]) =>
    element("li", {}, gettext("{name} acts at {share} of its full strength, as its gate says", { name: term, share: percent(strength) })));
  const { name, fingerprint } = made[0].backbone;
  return element("details", {},
    element("summary", {}, gettext("Made by")),
    element("p", {}, gettext("Backbone {name}", { name }), ", ", element("code", {}, fingerprint.slice(0, 12))),
    element("ul", {}, components, strengths),
  );
}

function shown(value) {
  if (value === null || value === undefined || value === "") return gettext("No answer");
  if (typeof value === "number") return value.toLocaleString(lang, { maximumSignificantDigits: 5, useGrouping: false });
  if (Array.isArray(value)) return value.map(shown).join(", ");
  if (typeof value === "object") return value.text ?? JSON.stringify(value);
  return String(value);
}
