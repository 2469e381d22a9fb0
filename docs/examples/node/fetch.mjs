// Fetch something through an ESP32 with Espressif's AT firmware. Nothing but Node: a real port
// wants its rate set, which `stty` does (with the package serialport: `new SerialPort(...)`).
import { execFileSync } from "node:child_process";
import { constants, openSync } from "node:fs";
import { ReadStream, WriteStream } from "node:tty";

const FAILED = ["ERROR", "FAIL", "SEND FAIL"];

export class ModuleError extends Error {}

export class Module {
  constructor(path) {
    execFileSync("stty", ["-F", path, "115200", "raw", "-echo"]);
    const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
    this.input = new ReadStream(openSync(path, flags));
    this.output = new WriteStream(openSync(path, flags));
    this.buffer = Buffer.alloc(0);
    this.received = [];
    this.closed = false;
    this.wake = () => {};
    this.input.on("data", (data) => {
      this.buffer = Buffer.concat([this.buffer, data]);
      this.wake();
    });
  }

  close() {
    this.input.destroy();
    this.output.destroy();
  }

  // The next line or prompt; payload is counted and put aside.
  async token(deadline) {
    for (;;) {
      const head = /^\+IPD,(\d+):/.exec(this.buffer.toString("latin1", 0, 20));
      const end = this.buffer.indexOf("\r\n");
      if (head) {
        const stop = head[0].length + Number(head[1]);
        if (this.buffer.length >= stop) {
          this.received.push(this.buffer.subarray(head[0].length, stop));
          this.buffer = this.buffer.subarray(stop);
          return "+IPD";
        }
      } else if (this.buffer[0] === 0x3e) {
        this.buffer = this.buffer.subarray(this.buffer[1] === 0x20 ? 2 : 1);
        return ">";
      } else if (end >= 0) {
        const line = this.buffer.toString("latin1", 0, end);
        this.buffer = this.buffer.subarray(end + 2);
        this.closed ||= line === "CLOSED"; // may come before SEND OK
        return line;
      }
      const left = deadline - Date.now();
      if (left <= 0) throw new ModuleError("the module says nothing");
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => resolve(clearTimeout(timer));
      });
    }
  }

  // Read up to the line `wanted`.
  async wait(wanted, milliseconds = 10_000) {
    const deadline = Date.now() + milliseconds;
    for (let token; (token = await this.token(deadline)) !== wanted; ) {
      if (FAILED.includes(token)) throw new ModuleError(`${token} instead of ${wanted}`);
      if (token === "ready") throw new ModuleError("the module has restarted");
    }
  }

  async command(text) {
    this.output.write(`${text}\r\n`);
    await this.wait("OK");
  }
}

// Join the access point, send `request`, return everything up to the end.
export async function fetch(path, host, port, request) {
  const module = new Module(path);
  try {
    await module.command("ATE0");
    await module.command("AT+CWMODE=1");
    await module.command('AT+CWJAP="lab","secret99"');
    await module.command(`AT+CIPSTART="TCP","${host}",${port}`);
    await module.command(`AT+CIPSEND=${request.length}`);
    await module.wait(">");
    module.output.write(request);
    await module.wait("SEND OK");
    for (const deadline = Date.now() + 10_000; !module.closed; ) await module.token(deadline);
    return Buffer.concat(module.received);
  } finally {
    module.close();
  }
}
