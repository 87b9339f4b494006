// The components on the machine and in memory with their cards, and those of registries, to be fetched and loaded.

import { ask } from "./ask.js";
import { know, tryComponent } from "./comparison.js";
import { attempt, byId, button, bytes, complain, element, foreign, languageName } from "./elements.js";
import { gettext, ngettext, number } from "./messages.js";

const MOST_SHOWN = 300;
let listed = [];
let shownBytes = null;
let server = { stacks: [], registries: [], is_admin: false };

// List what is there, for a server in this state.
export async function listComponents(state) {
  server = state;
  const { registries, is_admin: isAdmin } = server;
  byId("search-form").hidden = !registries.length;
  byId("registries-note").textContent = !registries.length ? gettext("This server's settings name no registries.")
    : isAdmin ? gettext("What is loaded is fetched, checked and put into this server's library.")
    : gettext("A component that is not on this machine is fetched when a stack that names it is tried. To load one beforehand takes a key with admin = true.");
  try {
    listed = (await ask("page/components")).components;
    complain("components-error", null);
  } catch (error) {
    complain("components-error", error);
    return;
  }
  know(listed, server.stacks);
  showComponents();
  await showAttached();
}

export function showComponents() {
  const wanted = byId("filter").value.trim().toLowerCase().split(/\s+/);
  const fitting = listed.filter((each) => {
    const text = [each.component, each.summary, each.licence, each.head, ...each.languages.map(languageName)].join(" ").toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  byId("filter-state").textContent = !listed.length ? gettext("There are none yet.")
    : gettext("{count} of {all}", { count: number(fitting.length), all: number(listed.length) })
      + (fitting.length > MOST_SHOWN ? gettext("; the first {count} are shown", { count: number(MOST_SHOWN) }) : "");
  byId("library").replaceChildren(...fitting.slice(0, MOST_SHOWN).map((each) => item(each.component, each.summary, [
    each.languages.map(languageName).join(", "), each.head, each.version, each.licence || gettext("licence not stated"),
  ], [
    button(gettext("Card"), gettext("Card of {name}", { name: each.component }), () => showCard(each.component)),
    button(gettext("Try"), gettext("Try {name}", { name: each.component }), () => tryComponent(each.component)),
    server.is_admin && button(gettext("Load"), gettext("Load {name}", { name: each.component }), (event) => load(each.component, event.target)),
  ])));
}

function item(name, summary, facts, actions) {
  return element("li", {},
    element("div", {},
      element("strong", {}, name),
      element("span", { class: "dim" }, ` ${facts.filter(Boolean).join(" · ")}`),
      summary ? foreign("p", summary) : null,
    ),
    element("div", { class: "actions" }, actions),
  );
}

// What is in memory, where that is something else than before and nobody is at it: only admins are told.
export async function showAttached(state = null) {
  byId("memory").hidden = !server.is_admin;
  const isSame = state !== null && (state.memory.bytes === shownBytes || byId("attached").contains(document.activeElement));
  if (!server.is_admin || isSame) return;
  try {
    const { attached, bytes: all } = await ask("v1/components");
    complain("memory-error", null);
    shownBytes = all;
    byId("attached").replaceChildren(...attached.map((each) => item(each.component, "", [
      bytes(each.bytes), each.digest.slice(0, 12), each.pinned && gettext("pinned"), each.replaced && gettext("replaced"),
      each.in_use > 0 && ngettext("in use by {count} request", "in use by {count} requests", each.in_use),
    ], [button(gettext("Unload"), gettext("Unload {name}", { name: each.component }), (event) => unload(each.component, event.target))])));
  } catch (error) {
    complain("memory-error", error);
  }
}

const unload = (component, pressed) =>
  attempt(pressed, "memory-state", "memory-error", gettext("Unloading {name} …", { name: component }), async () => {
    await ask("v1/components/unload", { component });
    await showAttached();
    byId("server").focus();
    return gettext("{name} is unloaded.", { name: component });
  });

const load = (component, pressed) =>
  attempt(pressed, "filter-state", "components-error", gettext("Loading {name} …", { name: component }), async () => {
    await ask("v1/components/load", { stack: component });
    await showAttached();
    return gettext("{name} is loaded.", { name: component });
  });

// ------------------------------------------------------------------------------------------------------------- the card

// What may stand in a card, and what it becomes below the headings of this page; the text of all else is kept.
const KEPT = new Set("P UL OL LI TABLE THEAD TBODY TR TH TD CODE PRE EM STRONG BLOCKQUOTE HR BR".split(" "));
const HEADINGS = { H1: "h3", H2: "h3", H3: "h4", H4: "h5", H5: "h6", H6: "h6" };
const OWN_DIRECTION = new Set(["P", "LI", "TH", "TD"]);

async function showCard(component) {
  try {
    const found = await ask(`page/card?component=${encodeURIComponent(component)}`);
    complain("components-error", null);
    byId("card-title").textContent = found.component;
    // Read apart from this page, and made anew from what is known: no attribute and no other element passes.
    const read = new DOMParser().parseFromString(found.html, "text/html");
    read.querySelector("h1")?.remove();
    byId("card-text").replaceChildren(...[...read.body.childNodes].flatMap(remade));
    byId("card").showModal();
  } catch (error) {
    complain("components-error", error);
  }
}

function remade(node) {
  if (node.nodeType === Node.TEXT_NODE) return [node.data];
  if (node.nodeType !== Node.ELEMENT_NODE) return [];
  const children = [...node.childNodes].flatMap(remade);
  const name = HEADINGS[node.tagName] ?? (KEPT.has(node.tagName) ? node.tagName.toLowerCase() : null);
  if (name === null) return node.tagName === "A" ? [...children, ...address(node)] : children;
  const made = element(name, { dir: OWN_DIRECTION.has(node.tagName) ? "auto" : null }, children);
  if (name === "table") return [element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": gettext("Table") }, made)];
  return [made];
}

// Where a link leads, as text.
function address(link) {
  const target = link.getAttribute("href") ?? "";
  return target && target !== link.textContent ? [` (${target})`] : [];
}

// ---------------------------------------------------------------------------------------------------------- registries

export function searchRegistries(event) {
  event.preventDefault();
  return attempt(event.target.querySelector("button"), "search-state", "search-error", gettext("Searching …"), async () => {
    byId("found").replaceChildren();
    const { found, more } = await ask(`page/search?words=${encodeURIComponent(byId("words").value)}`);
    byId("found").replaceChildren(...found.map(foundItem));
    return more ? gettext("The first {count} of {all} found", { count: number(found.length), all: number(found.length + more) })
      : ngettext("{count} found", "{count} found", found.length);
  });
}

function foundItem(each) {
  const name = `${each.role}:${each.name}`;
  const exact = `${name}@${each.version}`;
  const isHere = listed.some((own) => [name, exact].includes(own.component) && own.version === each.version);
  return item(exact, each.yanked ? gettext("Withdrawn: {reason}", { reason: each.yanked }) : each.summary, [
    (each.languages ?? []).map(languageName).join(", "), each.head, each.licence || gettext("licence not stated"),
    each.registry !== "given" && gettext("in {registry}", { registry: each.registry }), isHere && gettext("on this machine"),
  ], [
    button(gettext("Try"), gettext("Try {name}", { name: exact }), () => tryComponent(exact)),
    server.is_admin && button(gettext("Fetch and load"), gettext("Fetch and load {name}", { name: exact }), (event) => fetchAndLoad(exact, event.target)),
  ]);
}

const fetchAndLoad = (name, pressed) =>
  attempt(pressed, "search-state", "search-error", gettext("Fetching {name} …", { name }), async () => {
    const pulled = await ask("v1/components/pull", { component: name });
    await ask("v1/components/load", { stack: name });
    await listComponents(server);
    return gettext("{name} is loaded.", { name: `${pulled.component} ${pulled.version}` });
  });
