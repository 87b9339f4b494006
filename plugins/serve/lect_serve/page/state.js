// How the server is: looked at again every few seconds while the page is seen.

import { ask } from "./ask.js";
import { byId, bytes, complain, element } from "./elements.js";

const WORDS = { ready: "Ready", starting: "Loading its model", stopping: "Stopping", failed: "Could not start" };
let before = null;

export async function showState() {
  let found;
  try {
    found = await ask("page/state");
    complain("server-error", null);
  } catch (error) {
    complain("server-error", error);
    say(error.status === 401 ? "A key is wanted" : error.message);
    before = null;
    return null;
  }
  const word = WORDS[found.state] ?? found.state;
  say(found.backbone ? `${word}: ${found.backbone.name} on ${found.device}` : word);
  byId("figures").replaceChildren(...figures(found, word));
  before = { ...found, at: performance.now() };
  return found;
}

// Said again only where it is another: a screen reader reads it out.
function say(text) {
  if (byId("headline").textContent !== text) byId("headline").textContent = text;
}

function figures(found, word) {
  const made = [figure("Health", word, `up for ${duration(found.uptime_seconds)}`)];
  if (!found.queue) return made;
  const { queue, memory } = found;
  const seconds = before ? (performance.now() - before.at) / 1000 : 0;
  const rate = (name) => (before && seconds > 0.5 && before[name] !== undefined ? Math.max(0, found[name] - before[name]) / seconds : null);
  const busy = rate("busy_seconds"), texts = rate("texts");
  made.push(
    figure("Queue", `${queue.texts} of ${queue.most} texts`, `a wait of ${queue.wait_seconds} s`),
    figure("Load", busy === null ? "–" : `${Math.round(Math.min(1, busy) * 100)} % busy`,
      texts === null ? "measured between two looks" : `${texts.toFixed(1)} texts/s`),
    figure("Components in memory", String(memory.components), `${bytes(memory.bytes)} of ${bytes(memory.most_bytes)}`),
    figure("Answered since the start", `${found.texts} texts`, `${found.requests} requests, ${found.tokens} tokens`),
    figure("Backbone", found.backbone.name, `${found.precision}, fingerprint ${found.backbone.fingerprint.slice(0, 12)}`),
  );
  return made;
}

const figure = (name, value, more) => element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, more)));

function duration(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}
