// The WebSocket of a live session, which resumes by itself when it is cut.
import { sendJson } from "../shared/http.js";
import { getKey } from "../shared/key.js";
import { at } from "../shared/root.js";
import { language } from "../shared/texts.js";

const RESUME_MS = 60_000;
const AGAIN_MS = 2000;

/** @typedef {{ type: string, seq?: number, session_id?: string, needs_key?: boolean }} Base */
/** @typedef {Base & Record<string, unknown>} Message */

export class Connection {
  /** @type {WebSocket | null} */
  socket = null;
  sessionId = "";
  seq = 0;
  rateHz = 16000;
  isOver = false;
  cutAt = 0;

  /**
   * @param {(message: Message) => void} onMessage
   * @param {(state: "cut" | "back" | "lost") => void} onState
   */
  constructor(onMessage, onState) {
    this.onMessage = onMessage;
    this.onState = onState;
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /**
   * Connect, and wait until the service is ready. Throws ApiError.
   * @param {number} rateHz of the sound
   */
  async open(rateHz) {
    this.rateHz = rateHz;
    await this.connect();
  }

  async connect() {
    const ticket = getKey() ? await askTicket() : "";
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(
      `${scheme}://${location.host}${at("/v1/live")}?lang=${language}`,
    );
    this.socket = socket;
    await new Promise((resolve, reject) => {
      socket.onclose = () => reject(new TypeError("The connection was refused."));
      socket.onmessage = (event) => {
        this.begin(JSON.parse(event.data), ticket);
        resolve(null);
      };
    });
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = () => this.lose();
  }

  /**
   * @param {Message} message
   * @param {string} ticket
   */
  begin(message, ticket) {
    if (message.needs_key) this.send("authenticate", { ticket });
    if (!this.sessionId) this.sessionId = String(message.session_id);
    else
      this.send("resume", {
        session_id: this.sessionId,
        seq: this.seq,
        sample_rate: this.rateHz,
      });
    this.onMessage(message);
  }

  /** @param {Message} message */
  take(message) {
    if (message.seq) this.seq = message.seq;
    if (message.type === "transcription_ended") this.isOver = true;
    this.onMessage(message);
  }

  /**
   * @param {string} type
   * @param {object} fields
   */
  send(type, fields = {}) {
    if (this.isOpen) this.socket?.send(JSON.stringify({ type, ...fields }));
  }

  /** @param {ArrayBuffer} sound */
  hear(sound) {
    if (this.isOpen) this.socket?.send(sound);
  }

  /** Resume after the connection was cut, as long as the service keeps the session. */
  async lose() {
    if (this.isOver) return;
    this.cutAt ||= Date.now();
    this.onState("cut");
    while (!this.isOver && Date.now() - this.cutAt < RESUME_MS) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      try {
        await this.connect();
        this.cutAt = 0;
        this.onState("back");
        return;
      } catch {
        // The service may come back
      }
    }
    this.isOver = true;
    this.onState("lost");
  }

  close() {
    this.isOver = true;
    this.socket?.close(1000);
  }
}

async function askTicket() {
  /** @type {{ ticket: string }} */
  const answer = await sendJson("POST", "/v1/live/tickets");
  return answer.ticket;
}
