// One text, several stacks, side by side.

import { ask } from "./ask.js";
import { bar, byId, complain, element, foreign, percent } from "./elements.js";
import { explanation } from "./explanation.js";

const languages = new Map();
let number = 0;

// Stacks that are offered while one is typed, and the languages of components.
export function know(components, stacks) {
  for (const each of components) languages.set(each.component, each.languages[0]);
  const tasks = components.filter((each) => each.head).map((each) => each.component);
  const parts = components.filter((each) => each.component.startsWith("lang:")).map((each) => each.component);
  const offered = [...stacks, ...tasks, ...tasks.flatMap((task) => parts.map((part) => `${part} + ${task}`))];
  byId("known-stacks").replaceChildren(
    ...[...new Set(offered)].slice(0, 500).map((stack) => element("option", { value: stack })),
  );
}

export function addStack(value = "") {
  number += 1;
  const id = `stack-${number}`;
  const input = element("input", {
    id, value, list: "known-stacks", spellcheck: "false", autocapitalize: "none", autocomplete: "off",
    "aria-label": "Stack", "aria-describedby": "stack-note",
  });
  const remove = element("button", { type: "button", "aria-label": "Remove this stack", onclick: () => {
    row.remove();
    byId("add-stack").focus();
  } }, "✕");
  const row = element("li", {}, input, remove);
  byId("stacks").append(row);
  return input;
}

export const stacksTyped = () => [...document.querySelectorAll("#stacks input")].map((input) => input.value.trim());

// The stack without its terms of languages; null where it has none, or consists of them.
export function withoutLanguage(stack) {
  const terms = [];
  let depth = 0, term = "";
  for (const letter of stack) {
    depth += (letter === "(") - (letter === ")");
    if (letter === "+" && depth === 0) {
      terms.push(term);
      term = "";
    } else term += letter;
  }
  terms.push(term);
  const kept = terms.map((each) => each.trim()).filter((each) => each && !/\blang:/.test(each) && each !== "auto");
  return kept.length && kept.length < terms.length ? kept.join(" + ") : null;
}

export async function answerAll(event) {
  event.preventDefault();
  const typed = stacksTyped().filter(Boolean);
  const both = byId("without-language").checked;
  const stacks = [...new Set(typed.flatMap((stack) => [stack, both ? withoutLanguage(stack) : null]).filter(Boolean))];
  const given = {
    text: byId("text").value,
    pair: byId("pair").value || undefined,
    question: byId("question").value || undefined,
    choices: byId("choices").value.split("\n").map((line) => line.trim()).filter(Boolean),
  };
  if (!given.choices.length) delete given.choices;
  complain("try-error", null);
  if (!stacks.length) {
    complain("try-error", new Error("no stack is named: type one, such as task:sentiment"));
    return;
  }
  const button = event.target.querySelector("button.main");
  button.disabled = true;
  byId("try-state").textContent = "Asking …";
  // Each by itself: where one is refused, the others answer.
  const answers = await Promise.all(stacks.map((stack) => ask("v1/predict", { inputs: [given], stack }).then(
    (answer) => answerOf(stack, given, answer),
    (error) => refused(stack, error),
  )));
  byId("answers").replaceChildren(...answers);
  button.disabled = false;
  const answered = answers.filter((answer) => answer.querySelector(".value")).length;
  byId("try-state").textContent = `Answered by ${answered} of ${stacks.length}.`;
}

export const languageOf = (stack) => {
  const named = [...stack.matchAll(/\blang:[^\s+,()@*]+/g)].map(([name]) => languages.get(name)).find(Boolean);
  return named ?? null;
};

function refused(stack, error) {
  return element("article", { class: "answer" },
    element("h3", {}, stack),
    element("p", { class: "error" }, error.message),
  );
}

function answerOf(stack, given, answer) {
  const [result] = answer.results;
  const card = element("article", { class: "answer", "data-stack": stack },
    element("h3", {}, stack),
    foreign("p", shown(result.answer), languageOf(stack), { class: "value" }),
  );
  const scores = Object.entries(result.scores ?? {}).sort(([, one], [, other]) => other - one);
  if (scores.length) card.append(scoreTable(scores));
  else if (typeof result.score === "number") card.append(element("p", {}, `Score ${shown(result.score)}`));
  if (result.truncated) card.append(element("p", { class: "dim" }, "The text is longer than the stack reads; its end was left out."));
  if (given.pair === undefined && given.question === undefined && given.choices === undefined) {
    card.append(explanation(stack, given.text, languageOf(stack)));
  }
  card.append(madeBy(Object.values(answer.made_by)[0]), asJson(answer));
  return card;
}

function scoreTable(scores) {
  const most = Math.max(1, ...scores.map(([, score]) => score));
  const row = ([label, score]) => element("tr", {},
    foreign("th", label, null, { scope: "row" }),
    element("td", { class: "number" }, score >= 0 && most === 1 ? percent(score) : score.toFixed(3)),
    element("td", { class: "bars" }, bar(score / most)),
  );
  const shownRows = scores.slice(0, 30).map(row);
  const left = scores.length - shownRows.length;
  return element("table", {},
    element("caption", {}, left > 0 ? `The 30 best of ${scores.length} scores` : "Scores"),
    element("thead", { class: "unseen" }, element("tr", {},
      ["Label", "Score", "As a bar"].map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, shownRows),
  );
}

function madeBy(made) {
  const components = made.components.map((each) => element("li", {},
    element("strong", {}, each.component), ` ${each.version}, ${each.licence || "licence unknown"}, `,
    element("code", {}, each.digest.slice(0, 12)),
  ));
  return element("details", {},
    element("summary", {}, "Made by"),
    element("p", {}, `Backbone ${made.backbone.name} `, element("code", {}, made.backbone.fingerprint.slice(0, 12))),
    element("ul", {}, components),
  );
}

const asJson = (answer) => element("details", {},
  element("summary", {}, "As JSON"),
  element("pre", { tabindex: "0", dir: "ltr" }, JSON.stringify(answer, null, 2)),
);

function shown(value) {
  if (value === null || value === undefined || value === "") return "no answer";
  if (typeof value === "number") return String(Number(value.toPrecision(5)));
  if (Array.isArray(value)) return value.map(shown).join(", ");
  if (typeof value === "object") return value.text ?? JSON.stringify(value);
  return String(value);
}
