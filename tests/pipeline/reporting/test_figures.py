from pipeline.reporting.figures import counted, duration, pace, size


def test_figures_are_written_as_people_say_them() -> None:
    assert [counted(number, "page") for number in (0, 1, 2)] == ["0 pages", "1 page", "2 pages"]
    assert [duration(seconds) for seconds in (4.21, 42.4, 185, 7380)] == ["4.2 s", "42 s", "3 min 05 s", "2 h 03 min"]
    assert [pace(per_s) for per_s in (0.0421, 0.3, 4.21, 120.4)] == ["0.042", "0.3", "4.2", "120"]
    assert [size(num_bytes) for num_bytes in (512, 3_565_158, 5 << 40)] == ["512 B", "3.4 MiB", "5.0 TiB"]
