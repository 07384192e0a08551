"""*.prom files by a real agent: the collector gets their metrics, and no series that only Lapwing reports."""

import os

import pytest
from harness import Collector
from reference import eventually

collector = Collector()


@pytest.fixture(scope="module", autouse=True)
def running():
    agent = None
    try:
        collector.start()
        os.mkdir(collector.path("textfile"))
        write("good.prom", '# HELP backup_seconds How long.\n# TYPE backup_seconds gauge\nbackup_seconds{instance="db",agent="web-02",job="cron"} 5\n')
        write("bad.prom", "broken\n")
        write("own.prom", 'lapwing_listener_info{port="1"} 1\n')
        agent = collector.start_agent("web-01", {"textfile": f"{{ directory: {collector.path('textfile')} }}"})
        yield
    finally:
        if agent:
            agent.terminate()
            agent.wait(20)
        collector.close()


def write(name, text):
    with open(collector.path("textfile/" + name), "w") as out:
        out.write(text)


def test_the_metrics_of_good_files_arrive():
    found = eventually(lambda: collector.query("backup_seconds"))
    assert [each["metric"] for each in found] == [
        {"__name__": "backup_seconds", "job": "textfile", "instance": "web-01", "agent": "web-01", "exported_job": "cron",
         "exported_instance": "db", "exported_agent": "web-02"}]
    said = collector.people("/api/v1/metadata?metric=backup_seconds").json()["data"]["backup_seconds"]
    assert said[0]["type"] == "gauge" and said[0]["help"] == "How long.", said
    assert collector.query("node_textfile_scrape_error == 1") and not collector.query("lapwing_listener_info")
    assert len(collector.query("node_textfile_mtime_seconds")) == 1


def test_a_series_whose_file_is_gone_ends():
    os.remove(collector.path("textfile/good.prom"))
    eventually(lambda: not collector.query("backup_seconds"), 25)
