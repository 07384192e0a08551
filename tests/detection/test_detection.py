"""Each fault of the catalogue is told about the right subject; no control is told."""

import detection


def test_fault(fault):
    row = detection.measure(fault)
    print(row)
    assert row["proven_s"] is not None, "the fault did not take effect"
    assert row["told_s"] is not None, f"nobody was told; other alerts: {row['alerts']}"
    assert row["clear_s"] is not None, f"alerts stay after the end of the fault: {row['stuck']}"


def test_control(control):
    assert detection.listen(control) == []
