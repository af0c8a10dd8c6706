import { Connection, Position, clock, element, remember, remembered } from "/connection.js";

const SEARCH_AFTER_MS = 150;
const MOVES_EVERY_MS = 100;
const NOTICE_MS = 5000;
const LOWEST_DB = -40; // of a fader; below is silence
const SILENT_DB = -120;

const at = (id) => document.getElementById(id);
const remote = new Connection();
const position = new Position();
let me = { role: "guest", you: "" };
let player = null;
let queue = { current: null, waiting: [] };
let library = { found: 0, scanning: false };
let told = null; // the number of the last notice

// What is told at the bottom for a while.

let noticeTimer = 0;

function notice(text) {
  at("notice").textContent = text;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { at("notice").textContent = ""; }, NOTICE_MS);
}

function ask(type, fields) {
  return remote.ask(type, fields).catch((error) => notice(error.message));
}

// The three views.

function show(view) {
  for (const button of document.querySelectorAll("nav button")) {
    const chosen = button.dataset.view === view;
    at(button.dataset.view).hidden = !chosen;
    if (chosen) {
      button.setAttribute("aria-current", "page");
    } else {
      button.removeAttribute("aria-current");
    }
  }
  scrollTo(0, 0);
}

for (const button of document.querySelectorAll("nav button")) {
  button.addEventListener("click", () => show(button.dataset.view));
}

// Songs.

// Each part is set by itself: a name from right to left doesn't turn round what stands beside it.
function parts(texts) {
  return texts.filter(Boolean).flatMap((text, n) => [n ? " · " : "", element("bdi", text)]);
}

function what(title, details) {
  const box = element("span", "", "what");
  const first = element("span", "", "title");
  const second = element("span", "", "detail");
  first.append(...parts([title]));
  second.append(...parts(details));
  box.append(first, second);
  return box;
}

function action(label, of, act) {
  const button = element("button", label);
  button.type = "button";
  button.setAttribute("aria-label", `${label} ${of}`);
  button.addEventListener("click", act);
  return button;
}

async function add(song) {
  const singer = at("singer").value.trim();
  if (!singer) {
    notice("Who sings? Give a name first.");
    at("singer").focus();
    return;
  }
  remember("singer", singer);
  const reply = await ask("add", { song: song.id, singer });
  if (reply) {
    notice(`${song.title} is in the queue for ${singer}.`);
  }
}

let searched = "";
let searches = 0;

async function search() {
  searched = at("query").value.trim();
  searches += 1;
  const mine = searches;
  const reply = await remote.ask("search", { query: searched }).catch(() => null);
  if (!reply || mine !== searches) {
    return; // a later one is under way
  }
  at("results").replaceChildren(...reply.songs.map((song) => {
    const row = element("li");
    row.append(
      what(song.title, [song.artist, song.seconds ? clock(song.seconds) : "", song.folder]),
      action("Add", song.title, () => add(song)),
    );
    return row;
  }));
  showFound(reply.songs.length);
}

function showFound(count) {
  const all = library.found ? `${library.found} songs` : "";
  const more = library.scanning ? `${all} so far, looking for more…` : all;
  at("found").textContent = searched && !count ? `Nothing is called “${searched}”.` : more;
}

let searchTimer = 0;

at("query").addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(search, SEARCH_AFTER_MS);
});
at("find").addEventListener("submit", (event) => {
  event.preventDefault();
  at("query").blur(); // the keyboard goes, and the songs are seen
  search();
});
at("who").addEventListener("submit", (event) => {
  event.preventDefault();
  at("singer").blur();
});
at("singer").value = remembered("singer");
at("singer").addEventListener("change", () => remember("singer", at("singer").value.trim()));

// The queue.

function isMine(entry) {
  return entry.owner === me.you;
}

function queueRow(entry, turn) {
  const row = element("li", "", isMine(entry) ? "mine" : "");
  row.append(element("span", String(turn + 1), "turn"));
  row.append(what(entry.title, [entry.singer, entry.artist, entry.ready ? "ready" : ""]));
  if (me.role === "host" && turn > 0) {
    const before = queue.waiting[turn - 1];
    row.append(action("↑", `${entry.title}: sooner`, () => {
      ask("move", { entry: entry.id, before: before.id });
    }));
  }
  if (me.role === "host" || isMine(entry)) {
    row.append(action("Remove", entry.title, () => ask("remove", { entry: entry.id })));
  }
  return row;
}

function showQueue() {
  const focused = document.activeElement?.getAttribute("aria-label");
  at("waiting").replaceChildren(...queue.waiting.map(queueRow));
  for (const button of at("waiting").querySelectorAll("button")) {
    if (focused && button.getAttribute("aria-label") === focused) {
      button.focus(); // where the keyboard was
    }
  }
  at("empty").hidden = queue.waiting.length > 0;
  at("count").textContent = queue.waiting.length ? `(${queue.waiting.length})` : "";
}

// What plays.

function may(command) {
  const theirs = ["next", "guide", "key"].includes(command) && queue.current && isMine(queue.current);
  return (me.role === "host" || theirs) && (player?.features.includes(command) ?? false);
}

function showPlaying() {
  const current = queue.current;
  const title = current?.title ?? player?.song;
  at("now-title").textContent = title ?? "Nothing plays";
  at("now-singer").replaceChildren(...parts(current ? [current.singer, current.artist] : []));
  if (!player) {
    return;
  }
  const playing = !player.idle;
  at("pause").hidden = !may("pause") || !playing;
  at("restart").hidden = !may("restart") || !playing;
  at("pause").textContent = player.paused ? "Go on" : "Pause";
  at("skip").hidden = !(me.role === "host" || may("next")) || !playing;
  at("seek").disabled = !may("seek") || !player.duration;
  at("seek").max = Math.ceil(player.duration ?? 1);
  at("duration").textContent = clock(player.duration);
  at("sound").hidden = !may("guide") && !may("key") && !may("gain");
  showGuide();
  showKey();
  showFaders();
  showVoices();
}

function showGuide() {
  at("guide").closest(".fader").hidden = !may("guide");
  setUnlessHeld(at("guide"), Math.round(player.guide));
  at("guide-value").textContent = `${at("guide").value} %`;
}

function showKey() {
  at("key").hidden = !may("key");
  at("key-value").textContent = player.key > 0 ? `+${player.key}` : String(player.key ?? 0);
  at("key-up").disabled = player.key >= 6;
  at("key-down").disabled = player.key <= -6;
}

const FADERS = { beat: "Beat", mic: "Microphone", master: "Everything" };

function faderLabel(name) {
  const several = Object.keys(player.faders).some((other) => /^mic.+/.test(other));
  const first = name === "mic" && several ? "Microphone 1" : FADERS[name];
  return first ?? name.replace(/^mic */, "Microphone ");
}

function faderText(value) {
  return value <= LOWEST_DB ? "silent" : `${value > 0 ? "+" : ""}${value} dB`;
}

function showFaders() {
  const names = Object.keys(player.faders).filter((name) => name !== "mic" || player.mic);
  const wanted = may("gain") ? names : [];
  const there = [...at("faders").querySelectorAll("input")].map((input) => input.dataset.fader);
  if (wanted.join() !== there.join()) {
    at("faders").replaceChildren(...wanted.map(fader));
  }
  for (const input of at("faders").querySelectorAll("input")) {
    setUnlessHeld(input, Math.max(LOWEST_DB, Math.round(player.faders[input.dataset.fader])));
    input.previousElementSibling.textContent = faderText(Number(input.value));
  }
}

function fader(name) {
  const box = element("div", "", "fader");
  const label = element("label", faderLabel(name));
  const input = element("input");
  const output = element("output");
  input.type = "range";
  input.id = `fader-${name.replace(/ /g, "-")}`;
  [input.min, input.max, input.step] = [LOWEST_DB, 12, 1];
  input.dataset.fader = name;
  label.htmlFor = input.id;
  output.htmlFor = input.id;
  moves(input, (value) => {
    ask("gain", { fader: name, db: value <= LOWEST_DB ? SILENT_DB : value });
    output.textContent = faderText(value);
  });
  box.append(label, output, input);
  return box;
}

function showVoices() {
  at("echo").hidden = !may("voice");
  if (at("voice").options.length !== player.voices.length) {
    at("voice").replaceChildren(...player.voices.map((name) => new Option(name, name)));
  }
  if (player.voice) {
    at("voice").value = player.voice;
  }
}

// A slider follows the player but while somebody moves it.

const held = new Map();

function setUnlessHeld(input, value) {
  if (!held.has(input)) {
    input.value = value;
  }
}

function moves(input, act) {
  let last = 0;
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(held.get(input));
    held.set(input, setTimeout(() => held.delete(input), 1000));
    clearTimeout(timer);
    const wait = Math.max(0, last + MOVES_EVERY_MS - performance.now());
    timer = setTimeout(() => {
      last = performance.now();
      act(Number(input.value));
    }, wait);
  });
}

at("pause").addEventListener("click", () => ask(player?.paused ? "resume" : "pause"));
at("restart").addEventListener("click", () => ask("restart"));
at("skip").addEventListener("click", () => ask("next"));
at("key-up").addEventListener("click", () => ask("key", { semitones: (player?.key ?? 0) + 1 }));
at("key-down").addEventListener("click", () => ask("key", { semitones: (player?.key ?? 0) - 1 }));
at("voice").addEventListener("change", () => ask("voice", { preset: at("voice").value }));
moves(at("guide"), (percent) => {
  at("guide-value").textContent = `${percent} %`;
  ask("guide", { percent });
});
moves(at("seek"), (seconds) => ask("seek", { seconds }));

setInterval(() => {
  if (player && !document.hidden) {
    setUnlessHeld(at("seek"), position.seconds);
    at("seek").setAttribute("aria-valuetext", clock(Number(at("seek").value)));
    at("position").textContent = clock(Number(at("seek").value));
  }
}, 250);

// What the server tells.

const STATES = {
  on: "Connected",
  off: "Connection lost: trying again…",
  refused: "Not let in: scan the code on the screen again.",
};

remote.on("connection", (state) => {
  at("connection").textContent = STATES[state];
  at("connection").className = state;
});
remote.on("welcome", (message) => {
  me = message;
  at("connection").textContent = me.role === "host" ? "Connected as host" : STATES.on;
  search();
});
remote.on("player", (message) => {
  player = message;
  position.take(message);
  showPlaying();
});
remote.on("queue", (message) => {
  queue = message;
  showQueue();
  showPlaying();
});
remote.on("library", (message) => {
  const grown = message.found !== library.found && !at("songs").hidden;
  library = message;
  if (grown && !searched) {
    search();
  } else {
    showFound(at("results").children.length);
  }
});
remote.on("notices", ({ notices }) => {
  const latest = notices.at(-1);
  if (latest && told !== null && latest.id > told) {
    notice(latest.text);
  }
  told = latest?.id ?? 0;
});
remote.open();
