"""tools/contract_graphs.py: what it prints of graphs of each contract, and of a model."""

import re

from testing.signals import music
from tools import contract_graphs


def test_contracts_are_imported_tried_and_told(tmp_path, monkeypatch, capsys, config_home):
    small = {"stemgen-rt": contract_graphs.CONTRACTS["stemgen-rt"]}
    monkeypatch.setattr(contract_graphs, "CONTRACTS", small)
    monkeypatch.setattr(contract_graphs, "music", short)
    contract_graphs.check_contracts(tmp_path / "graphs")
    errors = re.search(r"^stemgen-rt +(\S+) +(\S+)$", capsys.readouterr().out, re.MULTILINE)
    assert max(map(float, errors.groups())) < 1e-6
    assert not list(config_home.glob("**/*.onnx"))  # not among the user's models


def short(seconds):
    return music(seconds / 20)


def test_a_model_of_one_s_own(monkeypatch, capsys):
    monkeypatch.setattr(contract_graphs, "music", short)
    contract_graphs.check_model("light")
    files, live, vocals, beat = capsys.readouterr().out.splitlines()
    for line in (files, live):
        assert float(re.search(r"are (\S+) off", line)[1]) < 1e-6
        assert "0.0e+00 for silence" in line
    assert float(re.search(r"is (\S+) dB", vocals)[1]) < -80
    assert beat.startswith("beat: ")
