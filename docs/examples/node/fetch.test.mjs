// The tests of fetch.mjs (node --test): the fake module is a program, its control socket steers it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, test } from "node:test";

import { fetch } from "./fetch.mjs";

const REQUEST = Buffer.from("GET / HTTP/1.0\r\n\r\n");
const PAGE = "HTTP/1.0 200 OK\r\n\r\n" + "\r\nOK\r\n\r\nCLOSED\r\n+IPD,9:".repeat(200);

class Fake {
  // Starts `python -m fakes` and reads where its port and its control socket are.
  async start() {
    const python = process.env.PYTHON ?? "python3";
    const options = ["--firmware", "E24", "--ap", "lab:secret99", "--time-scale", "0"];
    this.process = spawn(python, ["-m", "fakes", "esp32", ...options, "--control", "0"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface(this.process.stdout)) {
      const [name, value] = line.split(": ");
      this[name] = value;
      if (name === "control") break;
    }
    assert.ok(this.control, "the fake does not run");
    const [host, port] = this.control.split(":");
    this.socket = connect(Number(port), host);
    this.answers = createInterface(this.socket)[Symbol.asyncIterator]();
  }

  // One request to the control socket, and its answer.
  async steer(request) {
    this.socket.write(JSON.stringify(request) + "\n");
    const answer = JSON.parse((await this.answers.next()).value);
    assert.ok(answer.ok, answer.error);
    return answer;
  }

  async stop() {
    this.socket?.destroy();
    this.process.kill();
    await once(this.process, "exit");
  }
}

let fake;
beforeEach(async () => {
  fake = new Fake();
  await fake.start();
  const peers = { "page.lan:80": { answer: PAGE, then: "close" }, "page.lan:81": "refuse" };
  await fake.steer({ do: "world", value: { peers } });
  await fake.steer({ do: "chunk", value: "random" }); // bytes come in pieces
});
afterEach(() => fake.stop());

test("a page that looks like the module", async () => {
  assert.equal((await fetch(fake.port, "page.lan", 80, REQUEST)).toString(), PAGE);
  const kinds = ["unknown", "stray", "busy", "overlong", "overrun"];
  assert.deepEqual((await fake.steer({ do: "journal", kinds })).records, []);
});

test("nobody listens", async () => {
  await assert.rejects(fetch(fake.port, "page.lan", 81, REQUEST), /ERROR instead of OK/);
});

test("the module restarts at the worst moment", async () => {
  await fake.steer({ do: "step", value: { on: "AT\\+CIPSEND=.*", reset: true } });
  await assert.rejects(fetch(fake.port, "page.lan", 80, REQUEST), /has restarted/);
  await fake.steer({ do: "wait", kind: "command", match: `AT\\+CIPSEND=${REQUEST.length}` });
});
