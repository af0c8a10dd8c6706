import { Connection, Position, element } from "/connection.js";

const LONG_LINE = 38; // characters of a line that is set smaller
const COUNT_DOWN_S = 4;
const TRACE_S = 4; // of pitch, up to now
const STEP_S = 0.04; // of the trace
const COLOURS = ["#ffd166", "#6fd6ff"];
const SVG = "http://www.w3.org/2000/svg";

const at = (id) => document.getElementById(id);
const remote = new Connection();
const position = new Position();
let player = null;
let queue = { current: null, waiting: [] };
let lines = null;
let score = null;
let joinable = false;

// The code to join by, from its modules.

function drawCode(box, rows) {
  const quiet = 2;
  const size = rows.length + 2 * quiet;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("shape-rendering", "crispEdges");
  const paper = document.createElementNS(SVG, "rect");
  for (const [name, value] of [["width", size], ["height", size], ["fill", "#fff"]]) {
    paper.setAttribute(name, value);
  }
  const dark = document.createElementNS(SVG, "path");
  const squares = rows.flatMap((row, y) => [...row].map((module, x) => (
    module === "1" ? `M${x + quiet} ${y + quiet}h1v1h-1z` : "")));
  dark.setAttribute("d", squares.join(""));
  svg.append(paper, dark);
  box.replaceChildren(svg);
}

// Words.

function lineAt(seconds) {
  let index = -1;
  while (index + 1 < lines.length && lines[index + 1].at <= seconds) {
    index += 1;
  }
  return index;
}

function singers() {
  return new Set(lines.map((line) => line.singer).filter(Boolean));
}

function mark(box, line, duet) {
  box.classList.toggle("second", duet && line?.singer === 2);
  box.classList.toggle("duet-first", duet && line?.singer === 1);
}

// How much of a line is sung, in characters; within a word it goes on evenly.
function sungOf(line, seconds, end) {
  const words = line.words ?? [];
  if (!words.length) {
    return line.letters.length;
  }
  for (let n = words.length - 1; n >= 0; n -= 1) {
    const [begins, from] = words[n];
    if (seconds >= begins) {
      const [ends, to] = words[n + 1] ?? [Math.max(end, begins + 0.3), line.letters.length];
      const share = Math.min(1, (seconds - begins) / Math.max(0.05, ends - begins));
      return from + Math.round((to - from) * share);
    }
  }
  return 0;
}

let shown = "";

function showWords() {
  const seconds = position.seconds;
  const index = lineAt(seconds);
  const line = lines[index];
  const following = lines.slice(index + 1).find((one) => one.text);
  const waitS = following ? following.at - seconds : null;
  const duet = singers().size > 1;
  const sung = line ? sungOf(line, seconds, lines[index + 1]?.at ?? line.at + 4) : 0;
  const count = !line?.text && waitS !== null && waitS <= COUNT_DOWN_S ? Math.ceil(waitS) : 0;
  const now = `${index}/${sung}/${count}`;
  if (now === shown) {
    return;
  }
  shown = now;
  const box = at("line");
  box.classList.toggle("long", (line?.text.length ?? 0) > LONG_LINE);
  mark(box, line, duet);
  if (line?.text) {
    const letters = line.letters;
    box.replaceChildren(element("span", letters.slice(0, sung).join(""), "sung"),
      element("span", letters.slice(sung).join(""), "to-come"));
  } else {
    box.replaceChildren(element("span", count ? "● ".repeat(count).trim() : "♪", "to-come"));
  }
  at("following").textContent = following?.text ?? "";
  mark(at("following"), following, duet);
}

// Pitch: the song's as broad bars, the singers' as narrow ones on them.

function drawTrace() {
  const canvas = at("trace");
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const now = position.seconds;
  const near = score.trace.filter(([s]) => s > now - TRACE_S);
  const heights = near.map(([, note]) => note).filter((note) => note !== null);
  heights.sort((one, other) => one - other);
  const among = (share) => heights[Math.round(share * (heights.length - 1))];
  const low = among(0.05) - 3; // a single step that is off moves nothing
  const high = among(0.95) + 3;
  if (!heights.length) {
    return;
  }
  const x = (s) => ((s - now + TRACE_S) / TRACE_S) * width;
  const y = (note) => height - ((note - low) / (high - low)) * height;
  const bar = (s, note, thick, colour) => {
    pen.fillStyle = colour;
    pen.fillRect(x(s), y(note) - thick / 2, Math.max(3, x(s + STEP_S) - x(s)), thick);
  };
  for (const [s, note, sung] of near) {
    if (note !== null) {
      bar(s, note, height / 10, "#6a6580");
    }
    sung.forEach((one, n) => {
      let folded = one; // octaves are the singer's own
      while (folded !== null && folded < low) { folded += 12; }
      while (folded !== null && folded > high) { folded -= 12; }
      if (folded !== null) {
        bar(s, folded, height / 22, COLOURS[n % COLOURS.length]);
      }
    });
  }
}

function points(singer) {
  return singer.score === null ? "–" : String(Math.round(singer.score));
}

function showScores() {
  const playing = player && !player.idle;
  const singing = playing ? score?.singers ?? [] : score?.result?.singers ?? [];
  const only = singing.length === 1;
  const sung = playing ? queue.current : score?.result;
  at("scores").hidden = !singing.length;
  at("scores").replaceChildren(...singing.map((singer) => {
    const row = element("li");
    const name = element("bdi", (only && sung?.singer) || singer.name);
    row.append(name, ` ${points(singer)}`);
    return row;
  }));
  at("trace").hidden = !playing || !score?.trace.length;
}

// Who sings, and who is next.

function named(label, entry) {
  const line = element("span");
  const who = element("b");
  const title = element("bdi", entry.title);
  who.append(element("bdi", entry.singer));
  line.append(`${label} `, who, " · ", title);
  return line;
}

function showSong() {
  const current = queue.current;
  const playing = player && !player.idle;
  at("title").textContent = playing ? current?.title ?? player.song ?? "streamsep" : "streamsep";
  at("singer").textContent = playing && current
    ? [current.artist, `sung by ${current.singer}`].filter(Boolean).join(" · ") : "";
  at("welcome").hidden = !joinable || Boolean(playing);
  at("small-code").hidden = !joinable || !playing;
  at("words").hidden = !playing;
  if (playing && !lines) {
    at("line").replaceChildren(element("span", player.paused ? "⏸\uFE0E" : "♪", "to-come"));
    at("following").textContent = "";
  }
  const [first, second] = queue.waiting;
  at("next").replaceChildren(...[
    first && named("Next:", first), second && named("then", second),
  ].filter(Boolean));
}

function frame() {
  if (player && !player.idle) {
    if (lines) {
      showWords();
    }
    if (!at("trace").hidden) {
      drawTrace();
    }
    const share = player.duration ? Math.min(100, (100 * position.seconds) / player.duration) : 0;
    at("progress").firstElementChild.style.width = `${share}%`;
    at("progress").setAttribute("aria-valuenow", String(Math.round(share)));
  }
  requestAnimationFrame(frame);
}

remote.on("connection", (state) => {
  at("connection").hidden = state === "on";
  at("connection").textContent = state === "refused"
    ? "Not let in: open the address that streamsep prints." : "Connection lost: trying again…";
});
remote.on("welcome", (message) => {
  joinable = Boolean(message.join);
  if (joinable) {
    at("address").textContent = message.join.address;
    drawCode(at("big-code"), message.join.code);
    drawCode(at("small-code"), message.join.code);
  }
  showSong();
});
remote.on("player", (message) => {
  player = message;
  position.take(message);
  showSong();
  showScores();
});
remote.on("queue", (message) => {
  queue = message;
  showSong();
});
remote.on("words", (message) => {
  lines = message.lines?.map((line) => ({ ...line, letters: [...line.text] })) ?? null;
  shown = "";
  showSong();
});
remote.on("score", (message) => {
  score = message;
  showScores();
});
remote.open();
frame();
