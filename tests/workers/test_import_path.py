import sys

from workers.import_path import import_path


def test_the_folder_of_a_package_is_no_place_to_import_from(tmp_path, monkeypatch):
    package = tmp_path / "cv2"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", ["", str(package), str(tmp_path), f"{tmp_path}/gone"])

    assert import_path() == [str(tmp_path), f"{tmp_path}/gone"]
