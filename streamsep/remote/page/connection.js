// The connection of both pages: joins, asks, hears, and comes back by itself.

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 5000;
const SILENCE_MS = 15000;

const memory = (() => {
  try {
    localStorage.setItem("streamsep", "1");
    return localStorage;
  } catch {
    const kept = new Map(); // where a browser keeps nothing
    return { getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v) };
  }
})();

export function remembered(name) {
  return memory.getItem(`streamsep.${name}`) ?? "";
}

export function remember(name, value) {
  memory.setItem(`streamsep.${name}`, value);
}

// The part of the address after # never goes over the network by itself.
function token() {
  const given = location.hash.slice(1);
  if (given) {
    remember("token", given);
  }
  return given || remembered("token");
}

// Tells this phone from others: whose songs are whose.
function secret() {
  if (!remembered("client")) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    remember("client", Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(""));
  }
  return remembered("client");
}

export class Connection {
  #socket = null;
  #wait = FIRST_WAIT_MS;
  #timer = 0;
  #silence = 0;
  #number = 0;
  #asked = new Map();
  #listeners = new Map();

  constructor() {
    addEventListener("online", () => this.#now());
    addEventListener("hashchange", () => this.#again());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) {
        this.#now();
      }
    });
    addEventListener("pageshow", () => this.#now());
  }

  // Calls back with each message of a type; "connection" tells "on", "off" or "refused".
  on(type, listener) {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  open() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(`ws://${location.host}/ws`);
    this.#socket = socket;
    socket.onopen = () => {
      const news = [...this.#listeners.keys()];
      socket.send(JSON.stringify({ type: "join", token: token() || "-", client: secret(), news }));
    };
    socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (socket === this.#socket) {
        this.#lost(event.code === 1008);
      }
    };
    this.#watch();
  }

  // Resolves with the reply, rejects with what was wrong.
  ask(type, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Error("Not connected: try again in a moment."));
    }
    this.#number += 1;
    const id = this.#number;
    this.#socket.send(JSON.stringify({ type, id, ...fields }));
    return new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
  }

  #hear(message) {
    this.#watch();
    if (message.type === "reply" || message.type === "error") {
      const asked = this.#asked.get(message.id);
      this.#asked.delete(message.id);
      if (message.type === "reply") {
        asked?.resolve(message);
      } else {
        asked?.reject(new Error(`${message.what}: ${message.remedy}`));
      }
      return;
    }
    if (message.type === "welcome") {
      this.#wait = FIRST_WAIT_MS;
      this.#tell("connection", "on");
    }
    this.#tell(message.type, message);
  }

  #tell(type, message) {
    for (const listener of this.#listeners.get(type) ?? []) {
      listener(message);
    }
  }

  #lost(refused) {
    clearTimeout(this.#silence);
    for (const { reject } of this.#asked.values()) {
      reject(new Error("The connection was lost: try again in a moment."));
    }
    this.#asked.clear();
    this.#tell("connection", refused ? "refused" : "off");
    // A little by chance, so that a room of phones doesn't come back in one moment.
    this.#timer = setTimeout(() => this.open(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
  }

  // A Wi-Fi that is gone closes nothing: what is silent for long is lost.
  #watch() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#again(), SILENCE_MS);
  }

  #again() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#lost(false);
    this.#now();
  }

  #now() {
    if (!this.#socket || this.#socket.readyState === WebSocket.CLOSED) {
      this.#wait = FIRST_WAIT_MS;
      this.open();
    }
  }
}

// Where in the song it is: reckoned from what was told last.
export class Position {
  #seconds = 0;
  #since = 0;
  #going = false;
  #duration = null;

  take(player) {
    this.#seconds = player.position ?? 0;
    this.#since = performance.now();
    this.#going = !player.paused && !player.idle;
    this.#duration = player.duration;
  }

  get seconds() {
    const gone = this.#going ? (performance.now() - this.#since) / 1000 : 0;
    return Math.min(this.#seconds + gone, this.#duration ?? Infinity);
  }
}

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds ?? 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// An element with a text that is never markup, whatever is in it.
export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}
