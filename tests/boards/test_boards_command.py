# SPDX-License-Identifier: Apache-2.0
"""`weft synth --board`, with a small design in the place of the generic board."""

import json

import pytest

from weft.boards import BOARDS
from weft.cli import main
from weft.hdl.config import Config


def test_bitstream(stand_in_board, tmp_path, capfd):
    status = main(["synth", "--board", "icebreaker", "--rows", "2", "-o", str(tmp_path), "--json"])
    values = json.loads(capfd.readouterr().out)
    assert status == 0
    assert values["bitstream"] == str(tmp_path / "icebreaker.bin")
    assert (tmp_path / "icebreaker.bin").stat().st_size > 100_000
    assert values["meets_clock"] and values["fmax_mhz"] >= values["clock_mhz"] == 24
    assert (values["board"], values["device"], values["package"]) == ("icebreaker", "UP5K", "sg48")
    own = BOARDS["icebreaker"].config
    assert stand_in_board == [own.replace(rows=2, multipliers=16)]
    assert values["config"] == stand_in_board[0].to_dict()
    saved = json.loads((tmp_path / "result.json").read_text())
    assert saved == {key: value for key, value in values.items() if key != "report"}
    assert "Floorplan" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], BOARDS["ulx3s-85f"].config),
        (["--queue-depth", "4"], BOARDS["ulx3s-85f"].config.replace(queue_depth=4)),
        # Eight lanes would not divide 12 rows: without an option of its own the default counts.
        (["--rows", "12", "--cols", "6"],
         BOARDS["ulx3s-85f"].config.replace(rows=12, cols=6, vector_lanes=None)),
        (["--preset", "tiny"], Config.preset("tiny", family="ecp5")),
        (["--preset", "tiny", "--family", "generic"], Config.preset("tiny")),
    ],
)
def test_configuration(arguments, wanted, monkeypatch, tmp_path, capfd):
    def refuse(board, config, seeds, **values):
        raise ValueError(config.to_yaml())

    monkeypatch.setattr("weft.cli._synth_board.build_board", refuse)
    status = main(["synth", "--board", "ulx3s-85f", "-o", str(tmp_path), "--json", *arguments])
    error = json.loads(capfd.readouterr().out)["error"]
    assert status == 1
    assert Config.from_yaml(error["message"]) == wanted


@pytest.mark.parametrize(("arguments", "wanted"), [([], 75), (["--clock", "100"], 100)])
def test_clock(arguments, wanted, monkeypatch, tmp_path, capfd):
    def refuse(board, config, seeds, **values):
        raise ValueError(f"{board.system_hz} Hz")

    monkeypatch.setattr("weft.cli._synth_board.build_board", refuse)
    main(["synth", "--board", "ulx3s-85f", "-o", str(tmp_path), "--json", *arguments])
    message = json.loads(capfd.readouterr().out)["error"]["message"]
    assert message == f"{wanted * 1_000_000} Hz"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--board", "ulx3s-85f", "--clock", "99.99", "-o", "x"],
         "Invalid value for --clock: no setting of EHXPLLL makes 99990000 Hz"),
        (["--board", "icebreaker"], "--board needs -o, the directory for the bitstream"),
        (["--board", "icebreaker", "--top", "array", "-o", "x"],
         "--board and --top exclude each other"),
        (["--board", "icebreaker", "--device", "UP5K", "-o", "x"],
         "--board and --device exclude each other"),
        (["--board", "ice", "-o", "x"], "board must be one of icebreaker, "),
    ],
)
def test_illegal_options(arguments, message, capfd):
    assert main(["synth", *arguments, "--json"]) == 1
    assert message in json.loads(capfd.readouterr().out)["error"]["message"]
