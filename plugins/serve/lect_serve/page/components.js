// The components on the machine with their cards, and those of registries, to be fetched and loaded.

import { ask } from "./ask.js";
import { addStack, know, stacksTyped } from "./comparison.js";
import { byId, complain, element, foreign, table } from "./elements.js";

let listed = [];

export async function listComponents(stacks) {
  try {
    listed = (await ask("page/components")).components;
    complain("components-error", null);
  } catch (error) {
    complain("components-error", error);
    return;
  }
  know(listed, stacks);
  showComponents();
}

export function showComponents() {
  const wanted = byId("filter").value.trim().toLowerCase().split(/\s+/);
  const fitting = listed.filter((each) => {
    const text = [each.component, each.summary, each.licence, each.head, ...each.languages].join(" ").toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  byId("filter-state").textContent = `${fitting.length} of ${listed.length}`;
  const rows = fitting.slice(0, 300).map((each) => element("tr", {},
    element("th", { scope: "row" }, each.component),
    element("td", {}, each.languages.join(", ")),
    element("td", {}, each.head ?? "–"),
    element("td", {}, each.version),
    element("td", {}, each.licence || "unknown"),
    foreign("td", each.summary || "", null, { class: "wide" }),
    element("td", {}, element("div", { class: "actions" },
      element("button", { type: "button", "aria-label": `Card of ${each.component}`, onclick: () => showCard(each.component) }, "Card"),
      each.head ? element("button", { type: "button", "aria-label": `Try ${each.component}`, onclick: () => tryIt(each.component) }, "Try") : null,
    )),
  ));
  const none = element("p", { class: "dim" }, listed.length ? "None contains that." : "There is none yet.");
  const heads = ["Component", "Languages", "Task", "Version", "Licence", "About", "Actions"];
  const caption = fitting.length > rows.length ? "The first 300; say more of what is wanted" : "Components of the library";
  byId("library").replaceChildren(rows.length ? table(caption, heads, rows) : none);
}

function tryIt(component) {
  const free = [...document.querySelectorAll("#stacks input")].find((input) => !input.value.trim());
  if (!stacksTyped().includes(component)) (free ?? addStack()).value = component;
  byId("text").focus();
}

async function showCard(component) {
  const place = byId("card");
  try {
    const found = await ask(`page/card?component=${encodeURIComponent(component)}`);
    complain("components-error", null);
    // Read apart from this page: nothing in it is fetched or run, and pictures are left out.
    const read = new DOMParser().parseFromString(found.html, "text/html");
    for (const each of read.querySelectorAll("img, script, iframe, object, embed, form")) each.remove();
    for (const each of read.querySelectorAll("*")) {
      if (/^H[1-6]$/.test(each.tagName) || each.tagName === "P" || each.tagName === "TD") each.setAttribute("dir", "auto");
    }
    for (const each of read.querySelectorAll("a")) each.setAttribute("rel", "noopener noreferrer nofollow");
    const close = element("button", { type: "button", onclick: () => { place.hidden = true; } }, "Close the card");
    place.replaceChildren(close, ...read.body.childNodes);
    place.hidden = false;
    place.focus();
    place.scrollIntoView({ block: "nearest" });
  } catch (error) {
    place.hidden = true;
    complain("components-error", error);
  }
}

export async function searchRegistries(event) {
  event.preventDefault();
  byId("search-state").textContent = "Searching …";
  try {
    const { found, more } = await ask(`page/search?words=${encodeURIComponent(byId("words").value)}`);
    complain("search-error", null);
    byId("search-state").textContent = `${found.length}${more ? ` of ${found.length + more}` : ""} found`;
    const heads = ["Component", "Languages", "Task", "Licence", "Registry", "About", "Actions"];
    byId("found").replaceChildren(...(found.length ? [table("Components of the registries", heads, found.map(foundRow))] : []));
  } catch (error) {
    byId("search-state").textContent = "";
    byId("found").replaceChildren();
    complain("search-error", error);
  }
}

function foundRow(each) {
  const name = `${each.role}:${each.name}@${each.version}`;
  return element("tr", {},
    element("th", { scope: "row" }, name),
    element("td", {}, (each.languages ?? []).join(", ")),
    element("td", {}, each.head || "–"),
    element("td", {}, each.licence || "unknown"),
    element("td", {}, each.registry),
    foreign("td", each.yanked ? `Withdrawn: ${each.yanked}` : each.summary || "", null, { class: "wide" }),
    element("td", {}, element("button", { type: "button", "aria-label": `Fetch and load ${name}`, onclick: (event) => load(name, event.target) }, "Fetch and load")),
  );
}

async function load(name, button) {
  button.disabled = true;
  byId("search-state").textContent = `Fetching ${name} …`;
  try {
    const pulled = await ask("v1/components/pull", { component: name });
    await ask("v1/components/load", { stack: name });
    complain("search-error", null);
    byId("search-state").textContent = `${pulled.component} ${pulled.version} is loaded.`;
    document.dispatchEvent(new Event("components-changed"));
  } catch (error) {
    byId("search-state").textContent = "";
    complain("search-error", error);
    button.disabled = false;
  }
}
