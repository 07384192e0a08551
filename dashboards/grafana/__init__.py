"""Lapwing's Grafana dashboards: one module for each, written by dashboards/generate."""

from typing import Tuple

from . import balancer, database, exposure, host, itself, replication, site, web
from .model import Dashboard

BOARDS: Tuple[Dashboard, ...] = (
    site.BOARD,
    replication.BOARD,
    balancer.BOARD,
    web.BOARD,
    database.BOARD,
    host.BOARD,
    exposure.BOARD,
    itself.BOARD,
)
