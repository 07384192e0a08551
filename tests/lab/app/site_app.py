"""The lab's application, run by gunicorn. It reads from the nearest database and writes to the primary."""

import itertools
import json
import os
import socket
import time

import pymysql

with open("/etc/site/app.json", encoding="utf-8") as file:
    CONFIG = json.load(file)

# A fault of the lab writes it: {"fail_each": 3, "delay_s": 2, "delay_each": 4, "health_fails": true, "health_delay_s": 2}
TROUBLE = "/etc/site/trouble.json"
TIMEOUTS = {"connect_timeout": 1, "read_timeout": 2, "write_timeout": 2}
AVOID_SECONDS = 10


class Database:
    """A connection of this worker to one server. An error makes it reconnect."""

    def __init__(self, address):
        self.address = address
        self.connection = None
        self.avoid_until = 0.0

    def run(self, statement, arguments=()):
        if self.connection is None:
            if time.monotonic() < self.avoid_until:
                raise pymysql.OperationalError(2003, f"{self.address} did not answer a moment ago")
            try:
                self.connection = pymysql.connect(host=self.address, user=CONFIG["user"], database="site",
                                                  password=CONFIG["password"], autocommit=True, **TIMEOUTS)
            except pymysql.Error:
                self.avoid_until = time.monotonic() + AVOID_SECONDS
                raise
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement, arguments)
                return cursor.fetchone()
        except pymysql.Error:
            self.connection = None
            self.avoid_until = time.monotonic() + AVOID_SECONDS
            raise


PAGES = itertools.count()
READERS = [Database(address) for address in CONFIG["read"]]
WRITER = Database(CONFIG["write"])


def read(statement):
    for database in READERS[:-1]:
        try:
            return database.run(statement)
        except pymysql.Error:
            continue
    return READERS[-1].run(statement)


def trouble():
    try:
        with open(TROUBLE, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def answer(path):
    wanted = trouble()
    if path == "/healthz":
        time.sleep(wanted.get("health_delay_s", 0))
        return ("500 Internal Server Error", "a fault of the lab\n") if wanted.get("health_fails") else ("200 OK", "ok\n")
    page = next(PAGES)
    if page % wanted.get("delay_each", 1) == 0:
        time.sleep(wanted.get("delay_s", 0))
    if "fail_each" in wanted and page % wanted["fail_each"] == 0:
        return "500 Internal Server Error", "a fault of the lab\n"
    if path == "/":
        newest = read("SELECT MAX(id) FROM visits")[0]
        return "200 OK", f"{socket.gethostname()}: {newest or 0} visits\n"
    if path == "/write":
        WRITER.run("INSERT INTO visits (at, host) VALUES (NOW(6), %s)", (socket.gethostname(),))
        return "200 OK", "written\n"
    return "404 Not Found", "no such page\n"


def application(environ, start_response):
    try:
        status, body = answer(environ["PATH_INFO"])
    except pymysql.Error as error:
        print(f"pid {os.getpid()}: {error}", flush=True)
        status, body = "503 Service Unavailable", "the database does not answer\n"
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [body.encode()]
