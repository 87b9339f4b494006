// How the server is: looked at again every few seconds while the page is seen.

import { ask } from "./ask.js";
import { byId, bytes, complain, element } from "./elements.js";
import { gettext, lang, ngettext, number } from "./messages.js";

const WORDS = {
  ready: gettext("Ready"), starting: gettext("Loading its model"), stopping: gettext("Stopping"), failed: gettext("Could not start"),
};
let before = null;

// The state, or null where the server does not tell it.
export async function showState() {
  let found;
  try {
    found = await ask("page/state");
  } catch (error) {
    before = null;
    const wantsKey = error.status === 401;
    say(wantsKey ? gettext("A key is needed") : gettext("Not answering"), "bad");
    complain("server-error", wantsKey ? null : error);
    byId("figures").replaceChildren();
    return wantsKey ? { state: "locked" } : null;
  }
  complain("server-error", null);
  const word = WORDS[found.state] ?? found.state;
  const { backbone, device } = found;
  say(backbone ? gettext("{state}: {backbone} on {device}", { state: word, backbone: backbone.name, device }) : word, found.state === "ready" ? "good" : "bad");
  byId("figures").replaceChildren(...figures(found, word));
  before = { ...found, at: performance.now() };
  return found;
}

// Said again only where it is another: a screen reader reads it out.
function say(text, kind) {
  byId("headline").className = kind;
  if (byId("headline").textContent !== text) byId("headline").textContent = text;
}

function figures(found, word) {
  const made = [figure(gettext("Health"), word, gettext("running for {time}", { time: duration(found.uptime_seconds) }))];
  if (!found.queue) return made;
  const { queue, memory } = found;
  const seconds = before?.queue && before.started === found.started ? (performance.now() - before.at) / 1000 : 0;
  const rate = (name) => (seconds > 0.5 ? Math.max(0, found[name] - before[name]) / seconds : null);
  const busy = rate("busy_seconds"), texts = rate("texts");
  made.push(
    figure(gettext("Queue"), ngettext("{count} text", "{count} texts", queue.texts),
      gettext("of at most {most}; a new one waits {seconds} s", {
        most: number(queue.most), seconds: queue.wait_seconds.toLocaleString(lang),
      })),
    figure(gettext("Server load"), busy === null ? "–" : gettext("{share} % busy", { share: number(Math.min(1, busy) * 100) }),
      texts === null ? gettext("measured in a moment") : gettext("{number} texts a second", { number: number(texts, 1) })),
    figure(gettext("Components in memory"), number(memory.components),
      gettext("{size} of at most {most}", { size: bytes(memory.bytes), most: bytes(memory.most_bytes) })),
    figure(gettext("Answered since the start"), ngettext("{count} text", "{count} texts", found.texts),
      gettext("{tokens} in {requests}", {
        tokens: ngettext("{count} token", "{count} tokens", found.tokens),
        requests: ngettext("{count} request", "{count} requests", found.requests),
      })),
    figure(gettext("Backbone"), found.backbone.name, gettext("{precision}; fingerprint {fingerprint}", {
      precision: found.precision, fingerprint: found.backbone.fingerprint.slice(0, 12),
    })),
  );
  return made;
}

const figure = (name, value, more) => element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, more)));

function duration(seconds) {
  if (seconds < 120) return ngettext("{count} second", "{count} seconds", seconds);
  if (seconds < 7200) return ngettext("{count} minute", "{count} minutes", Math.round(seconds / 60));
  if (seconds < 172800) return ngettext("{count} hour", "{count} hours", Math.round(seconds / 3600));
  return ngettext("{count} day", "{count} days", Math.round(seconds / 86400));
}
