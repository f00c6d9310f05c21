from workers.rendering.sandbox.limits import environment


def test_a_child_searches_no_folder_that_depends_on_where_we_were_started():
    kept = environment({"LD_LIBRARY_PATH": "/opt/lib:", "PATH": ".:/usr/bin::bin", "HOME": "/home/someone", "LANG": "C"})

    assert (kept["LD_LIBRARY_PATH"], kept["PATH"], kept["LANG"]) == ("/opt/lib", "/usr/bin", "C")
    assert "HOME" not in kept
