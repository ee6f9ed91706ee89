"""Shows the prompts of GNOME Keyring to nobody: dismisses them (dismiss), answers with a password (accept PASSWORD), or
lets them be (wait).

The protocol is gcr's, org.gnome.keyring.internal.Prompter: the daemon asks for a prompt by BeginPrompting, is told by
PromptReady on its callback when it may ask, asks by PerformPrompt, and is told the answer by PromptReady again. A password
goes encrypted, by gcr's own exchange.
"""
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
import gi
from gi.repository import GLib

NAME = "org.gnome.keyring.SystemPrompter"
PATH = "/org/gnome/keyring/Prompter"
PROMPTER = "org.gnome.keyring.internal.Prompter"
CALLBACK = PROMPTER + ".Callback"


class Prompter(dbus.service.Object):
    def answer(self, sender, callback, reply, exchange=""):
        target = self.connection.get_object(sender, callback, introspect=False)
        properties = dbus.Dictionary({}, signature="sv")
        target.PromptReady(
            reply, properties, exchange, dbus_interface=CALLBACK, signature="sa{sv}s",
            reply_handler=lambda *words: None, error_handler=lambda error: None,
        )

    @dbus.service.method(PROMPTER, in_signature="o", out_signature="", sender_keyword="sender")
    def BeginPrompting(self, callback, sender):
        GLib.idle_add(self.answer, sender, callback, "")

    @dbus.service.method(PROMPTER, in_signature="osa{sv}s", out_signature="", sender_keyword="sender")
    def PerformPrompt(self, callback, kind, properties, exchange, sender):
        print("asked", flush=True)
        if sys.argv[1] == "dismiss":
            GLib.idle_add(self.answer, sender, callback, "no")
        elif sys.argv[1] == "accept":
            secrets = Gcr.SecretExchange.new(None)
            if not secrets.receive(exchange):
                raise ValueError(exchange)
            GLib.idle_add(self.answer, sender, callback, "yes", secrets.send(sys.argv[2], -1))

    @dbus.service.method(PROMPTER, in_signature="o", out_signature="", sender_keyword="sender")
    def StopPrompting(self, callback, sender):
        target = self.connection.get_object(sender, callback, introspect=False)
        target.PromptDone(dbus_interface=CALLBACK, reply_handler=lambda *words: None, error_handler=lambda error: None)


if sys.argv[1] == "accept":
    gi.require_version("Gcr", "3")
    from gi.repository import Gcr
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
Prompter(bus, PATH)
kept = dbus.service.BusName(NAME, bus)
GLib.MainLoop().run()
