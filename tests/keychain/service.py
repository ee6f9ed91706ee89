"""A Secret Service that misbehaves in one way, which its argument names.

It speaks the specification's plain and encrypted sessions as far as a client needs them to read and to write one item.
"""
import hashlib
import hmac
import os
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

MODE = sys.argv[1]
ROOT = "/org/freedesktop/secrets"
COLLECTION, ITEM, SECOND, PROMPT = ROOT + "/collection/test", ROOT + "/item/1", ROOT + "/item/2", ROOT + "/prompt/1"
SESSION = ROOT + "/session/1"
SECRET = "org.freedesktop.Secret."
# The group of 1024 bits that the specification names: RFC 2409, section 6.2.
PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
    "49286651ECE65381FFFFFFFFFFFFFFFF", 16,
)
VALUES = {"not-text": b"sk-test-\xff\xfe-0123456789abcdef", "nul": b"sk-test-\0-0123456789abcdefghij", "empty": b"",
          "large": b"x" * 65537}


def derived(shared):
    """HKDF-SHA256 without salt or info, 16 bytes: RFC 5869."""
    extracted = hmac.new(bytes(32), shared, hashlib.sha256).digest()
    return hmac.new(extracted, b"\x01", hashlib.sha256).digest()[:16]


def encrypted(key, iv, value):
    import subprocess
    words = ["openssl", "enc", "-aes-128-cbc", "-K", key.hex(), "-iv", iv.hex()]
    return subprocess.run(words, input=value, stdout=subprocess.PIPE, check=True).stdout


class Thing(dbus.service.Object):
    properties = {}

    @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return self.properties[name]

    @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return self.properties


class Service(Thing):
    @dbus.service.method(SECRET + "Service", in_signature="sv", out_signature="vo", async_callbacks=("reply", "fail"))
    def OpenSession(self, algorithm, theirs, reply, fail):
        if MODE == "silent":
            return
        if MODE == "dies-at-once":
            os._exit(0)
        if MODE == "refuses":
            raise dbus.DBusException("no byte of this may be shown: sk-test-in-an-error", name="org.example.Error.NotToday")
        secret = int.from_bytes(os.urandom(128), "big")
        shared = pow(int.from_bytes(bytes(theirs), "big"), secret, PRIME)
        Service.key = derived(shared.to_bytes(128, "big"))
        mine = pow(2, secret, PRIME).to_bytes(128, "big")
        reply(dbus.Array(mine, signature="y", variant_level=1), dbus.ObjectPath(SESSION))

    @dbus.service.method(SECRET + "Service", in_signature="a{ss}", out_signature="aoao")
    def SearchItems(self, attributes):
        print("searched", flush=True)
        none = dbus.Array([], signature="o")
        if MODE == "dies":
            os._exit(0)
        if MODE in ("missing", "no-collection"):
            return none, none
        if MODE in ("silent-prompt", "silent-unlock"):
            return none, dbus.Array([ITEM], signature="o")
        if MODE == "duplicates":
            return dbus.Array([ITEM, SECOND], signature="o"), none
        return dbus.Array([ITEM], signature="o"), none

    @dbus.service.method(SECRET + "Service", in_signature="ao", out_signature="aoo", async_callbacks=("reply", "fail"))
    def Unlock(self, objects, reply, fail):
        if MODE != "silent-unlock":
            reply(dbus.Array([], signature="o"), dbus.ObjectPath(PROMPT))

    @dbus.service.method(SECRET + "Service", in_signature="s", out_signature="o")
    def ReadAlias(self, name):
        return dbus.ObjectPath("/" if MODE == "no-collection" else COLLECTION)


class Prompt(Thing):
    @dbus.service.method(SECRET + "Prompt", in_signature="s", out_signature="")
    def Prompt(self, window):
        print("prompted", flush=True)


class Item(Thing):
    properties = dbus.Dictionary({"Locked": dbus.Boolean(False)}, signature="sv")

    @dbus.service.method(SECRET + "Item", in_signature="o", out_signature="(oayays)", async_callbacks=("reply", "fail"))
    def GetSecret(self, session, reply, fail):
        if MODE == "dies-reading":
            os._exit(0)
        if MODE == "silent-reading":
            return
        iv = os.urandom(16)
        value = encrypted(Service.key, iv, VALUES.get(MODE, b"sk-test-of-the-fake-0123456789abcdef"))
        array = lambda data: dbus.Array(data, signature="y")
        reply(dbus.Struct((dbus.ObjectPath(session), array(iv), array(value), "text/plain"), signature="oayays"))


class Collection(Thing):
    properties = dbus.Dictionary({"Locked": dbus.Boolean(False)}, signature="sv")


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
things = [Service(bus, ROOT), Item(bus, ITEM), Item(bus, SECOND), Collection(bus, COLLECTION), Prompt(bus, PROMPT)]
kept = dbus.service.BusName("org.freedesktop.secrets", bus)
GLib.MainLoop().run()
