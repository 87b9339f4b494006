"""The plugin host: finds plugins, loads them, and knows which plugin provides what."""

from lect.host.attribution import plugin_blamed
from lect.host.host import Host
from lect.host.records import API, Configured, PluginRecord, Provided

__all__ = ["API", "Configured", "Host", "PluginRecord", "Provided", "plugin_blamed"]
