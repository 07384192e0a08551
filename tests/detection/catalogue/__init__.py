"""The faults by group, and the controls."""

from . import application, controls, database, haproxy, host, monitoring, nginx

GROUPS = {"haproxy": haproxy.FAULTS, "nginx": nginx.FAULTS, "application": application.FAULTS, "database": database.FAULTS,
          "host": host.FAULTS, "monitoring": monitoring.FAULTS}
CONTROLS = controls.CONTROLS
