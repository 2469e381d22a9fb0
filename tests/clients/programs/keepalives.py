"""`keepalives.py LINE HOST PORT`: an MQTT client (`paho-mqtt`) with a keep-alive of 2 s; LINE
tells it the proxy.

It subscribes, is silent until its stdin has a line, then publishes that line to itself and prints
what it received; it never connects twice.
"""

from __future__ import annotations

import sys
import threading

import paho.mqtt.client as mqtt
import socks

line, host, port = sys.argv[1:]


def subscribe(client: mqtt.Client, *_: object) -> None:
    client.subscribe("tests/echo", qos=1)


def take(client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
    print(message.payload.decode(), flush=True)
    client.disconnect()


client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2, client_id="quiet", reconnect_on_failure=False
)
exec(line, {"client": client, "socks": socks})
client.on_connect = subscribe
client.on_subscribe = lambda *_: print("subscribed", flush=True)
client.on_message = take
client.connect(host, int(port), keepalive=2)
threading.Thread(
    target=lambda: client.publish("tests/echo", sys.stdin.readline().strip(), qos=1)
).start()
client.loop_forever()
