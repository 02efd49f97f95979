"""Files as labs keep them are read right, or refused in one line that names file and row."""

import json
import time
from pathlib import Path

import pytest

from align.analysis.reports.evaluation.outcomes import FullMarks
from align.analysis.reports.evaluation.trials import read_trials
from align.cli import main
from align.errors import InputError

LABS = Path(__file__).parent / "labs"


def _outcomes(read) -> dict:
    return {(t.arm, t.training, t.start): t.outcome for t in read.trials}


@pytest.fixture
def kept(tmp_path):
    """Writes a file and reads its trials."""

    def write(text: str | bytes, name: str = "trials.csv", **arguments):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_trials([str(path)], **arguments)

    return write


def test_semicolons_a_byte_order_mark_words_and_a_missing_trial():
    read = read_trials([str(LABS / "towel.csv")])
    found = _outcomes(read)
    old = dict(zip("1 2 3 4 5 6 7 8 9 11 12".split(), (1, 0, 0, 1, 0, 0.5, 0, 1, 0, 0, 1), strict=True))
    new = dict(zip("1 2 3 4 5 6 7 8 9 10 12".split(), (1, 1, 0, 1, 1, 1, 1, 1, 0.5, 1, 1), strict=True))
    assert found == {("baseline", "1", s): v for s, v in old.items()} | {
        ("co-trained", "1", s): v for s, v in new.items()
    }
    said = "\n".join(read.how)
    for words in (
        "semicolons",
        "'partial' (2) counts as 0.5",
        "row 20 without an outcome",
        "not used: 'Comment'",
    ):
        assert words in said


def test_excels_unicode_text_with_percentages_and_trainings():
    read = read_trials([str(LABS / "progress.txt")])
    found = _outcomes(read)
    assert len(found) == 32 and {key[:2] for key in found} == {(a, s) for a in "AB" for s in "01"}
    rows = (LABS / "progress.txt").read_text(encoding="utf-16").splitlines()[1:]
    for row in rows:
        arm, seed, trial, percent, _ = row.split("\t")
        assert found[arm, seed, trial] == pytest.approx(float(percent.replace(",", ".")) / 100)
    assert "decimal commas" in "\n".join(read.how)


def test_a_column_an_arm_with_a_title_above_and_a_total_below():
    read = read_trials([str(LABS / "peg.csv")], {"start": ["x", "y"]}, wide=["old", "new", "newest"])
    rows = [row.split(",") for row in (LABS / "peg.csv").read_text().splitlines()[2:-1]]
    assert _outcomes(read) == {
        (arm, "1", f"{x}, {y}"): float(tick == "✓")
        for x, y, *ticks in rows
        for arm, tick in zip(("old", "new", "newest"), ticks, strict=True)
    }
    assert "row 18 skipped, a summary" in "\n".join(read.how)


@pytest.mark.parametrize(
    "text",
    [
        "arm,start,success\nA,1,yes\nA,2,no\n",
        "arm;start;success\r\nA;1;yes\r\nA;2;no\r\n\r\n",
        "sep=|\narm|start|success\nA|1|1\nA|2|0\n",
        "arm\tstart\tsuccess\rA\t1\tTRUE\rA\t2\tFALSE\r",
        "\ufeffarm,start,success,\nA,01,✓,\nA,2.0,✗,\n",
        "arm,start,success\nA,1,yes\n\n,,\narm,start,success\nA,2,no\n# the camera was moved\n",
        b"arm,start,success,Bemerkung\nA,1,ja,\xfcber\nA,2,nein,\n",
        "arm,start,success\nA,1,yes\nA,2,no\n".encode("utf-16-le"),
        'arm,start,success\n"A",1,"100 %"\n" A ",2,0/3\n',
        "arm,start,success\nA,1,S\nA,2,F\n",
    ],
)
def test_the_same_two_trials_however_they_are_kept(kept, text):
    assert _outcomes(kept(text)) == {("A", "1", "1"): 1.0, ("A", "1", "2"): 0.0}


HEADER = "arm,start,success\nA,1,yes\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEADER + "A,1,yes\n", "row 3: a second trial of arm 'A' from start '1', like .*row 2"),
        (HEADER + "A,2,sort of\n", "row 3: 'sort of' is no outcome"),
        (
            HEADER + "A,2,Dropped\nA,3,1\nA,4,n/a\nA,5,aborted\nA,6,dropped\nmean,,0.5\nmean,,~.6\n",
            r"row 3: 'Dropped' is no outcome.* such words mean.*--values '\{Dropped: …, aborted: …\}'$",
        ),
        ("arm,successes,trials\nA,7,20\n", "among 'arm', 'successes', 'trials'; expected one row a trial"),
        (HEADER + "A,2,0,5\n", "row 3: 4 cells, but the header has 3"),
        (HEADER + "A,2,85\n", "row 3: outcome '85'; expected 0 to 1, .*--full_marks"),
        (HEADER + "A,2,-1\n", "row 3: outcome '-1'"),
        (HEADER + ",2,yes\n", "row 3: an outcome, but no arm; fill it in .also where cells are merged"),
        (HEADER + "A,,yes\n", "row 3: an outcome, but no start"),
        (HEADER + "a,2,yes\n", "row 3: arm 'a', but 'A' in .*row 2"),
        ("policy,checkpoint,success\nA,1,1\n", "columns 'policy' and 'checkpoint' may each be the arm"),
        ("arm,start,how\nA,1,1\n", "no column says how trials went, among 'arm', 'start', 'how'"),
        ("arm,start,success %\nA,1,1\nA,2,0.5\n", "--full_marks 1 or --full_marks 100"),
        ("arm,start,success\n", "no row has an outcome"),
        ("", "holds no rows"),
        (b"PK\x03\x04rest", "an Excel or LibreOffice workbook; save it as CSV"),
        (b"arm,success\nA,\x00\x01\n", "holds bytes that are no text"),
        (b"arm,success\nA,\x81\n", "is no text"),
        ('{"a": 1}', "a JSON file without per_episode or per_task"),
    ],
)
def test_what_cannot_be_read_is_one_line(kept, text, line):
    with pytest.raises(InputError, match=line):
        kept(text)


@pytest.mark.parametrize("cell", ["1" * 30_000 + "x", "a " + "1" * 30_000 + "x", " " * 30_000 + "x"])
def test_long_cells_are_refused_at_once(kept, cell):
    before = time.process_time()
    with pytest.raises(InputError, match=r"\[\.\.\.\[") as error:
        kept("[" * 60_000)
    assert len(str(error.value)) < 1000
    with pytest.raises(InputError):
        kept(f"arm,success\nold,1\nnew,{cell}\n")
    assert time.process_time() - before < 5


def test_commas_are_decimal_where_thousands_make_no_sense(kept):
    text = "arm;start;score\nA;1;0,250\nA;2;1,000\nA;3;0,5\n"
    assert [t.outcome for t in kept(text).trials] == [0.25, 1.0, 0.5]
    points = kept("arm;start;points\nA;1;2,500\nA;2;9,5\n", full_marks=FullMarks(10))
    assert [t.outcome for t in points.trials] == [0.25, 0.95]
    with pytest.raises(InputError, match=r"row 2: '1,250' may mean 1250 or 1\.25; write it without comma"):
        kept("arm;start;points\nA;1;1,250\nA;2;900\n", full_marks=FullMarks(2000))
    with pytest.raises(InputError, match="row 3: outcome '1,250'; expected 0 to 1"):
        kept("arm;start;score\nA;1;1,000\nA;2;1,250\n")


def test_starts_with_thousands_separators_stay_what_they_are(kept):
    """Two thousand starts are not taken for two, nor two stamps of time for one."""
    names = ["1", "1,000", "2,000", "1000", "20241126103001", "20241126103049", "0.10", "1_0", "10"]
    read = kept("arm;start;success\n" + "".join(f"A;{name};1\n" for name in names))
    assert len({t.start for t in read.trials}) == len(names)
    assert read.trials[0].start == kept("arm,start,success\nA,01.0,1\n").trials[0].start


def test_a_prediction_without_an_outcome_is_no_failure(kept):
    text = "arm,start,success,predicted\nA,1,1,0.9\nA,2,,0.4\n"
    assert [t.outcome for t in kept(text).trials] == [1.0, None]
    with pytest.raises(InputError, match="row 3: a prediction, but no outcome: whether it failed"):
        kept(text, missing="failure")


def test_scales_go_by_column_and_by_file(tmp_path):
    for name, rows in (("ten", "A,1,7,0.5\nA,2,10,1\n"), ("five", "B,1,1,0.25\nB,2,5,0\n")):
        (tmp_path / f"{name}.csv").write_text("arm,start,points,predicted\n" + rows)
    files = [str(tmp_path / f"{name}.csv") for name in ("ten", "five")]
    marks = FullMarks({"Ten": 10, files[1]: 5, "predicted": 1})
    read = read_trials(files, full_marks=marks)
    assert [t.outcome for t in read.trials] == [0.7, 1.0, 0.2, 1.0]
    assert [t.predicted for t in read.trials] == [0.5, 1.0, 0.25, 0.0]
    marks.check_used()
    with pytest.raises(InputError, match=r"full_marks: no outcomes in a column or file 'four\.csv'"):
        mistaken = FullMarks({"ten.csv": 10, "five.csv": 5, "predicted": 1, "four.csv": 4})
        read_trials(files, full_marks=mistaken)
        mistaken.check_used()
    with pytest.raises(InputError, match=r"largest number of 'predicted' is 1: .*'\{robot.csv: 10\}'"):
        read_trials(files[:1], full_marks=FullMarks(10))
    low = FullMarks({"points": 5})
    few = "arm,start,points\nA,1,1\nA,2,0\n"
    (tmp_path / "few.csv").write_text(few)
    assert [t.outcome for t in read_trials([str(tmp_path / "few.csv")], full_marks=low).trials] == [0.2, 0.0]


def test_a_failure_and_a_word_of_ones_own(kept):
    text = "arm,start,success\nA,1,dropped\nA,2,aborted\nA,3,\nA,4,yes\n"
    read = kept(text, values={"dropped": 0.25, "Aborted": None, "droped": 0.5}, missing="failure")
    assert [line for line in read.how if "--values" in line] == ["no outcome is 'droped', as --values has it"]
    assert [t.outcome for t in read.trials] == [0.25, 0.0, 0.0, 1.0]
    assert [t.outcome for t in kept(text, values={"dropped": 0.25, "aborted": None}).trials] == [0.25, 1.0]
    usual = text.replace("dropped", "partial")  # which means something without a word of one's own
    for run_together in ("partial:0.3", "partial 0.3", "partial=.3", "partial:null"):  # as YAML reads them
        with pytest.raises(InputError, match=rf"'{run_together}' is one word.*'\{{partial: "):
            kept(usual, values={run_together: None, "aborted": None})
    counted = kept(text.replace("dropped", "try 2"), values={"try 2": None, "aborted": None})
    assert [t.outcome for t in counted.trials] == [1.0], "it is what a cell holds"


def test_yes_and_no_of_ones_own_are_those_of_the_file(tmp_path, capsys):
    """YAML makes truth values of them."""
    (tmp_path / "trials.csv").write_text("arm,start,success\nA,1,no\nA,2,yes\nB,1,No\nB,2,1\n")
    command = ["evaluate", str(tmp_path / "trials.csv"), "--out", str(tmp_path / "out")]
    assert main([*command, "--values", "{no: 0.25, yes: 0.75}"]) == 0
    said = capsys.readouterr().out
    assert "'yes' (1) counts as 0.75" in said and "'no' (1)" in said and "count as 0.25" in said


def test_repeats_are_told_by_a_column_or_by_the_user(kept):
    by_column = kept("arm,start,trial,success\nA,1,1,yes\nA,1,2,no\n")
    assert len(by_column.trials) == 2 and "up to 2 trials of an arm from one start" in by_column.how[-1]
    assert len(kept(HEADER + "A,1,no\n", repeats=True).trials) == 2


def test_a_seed_is_of_the_start_or_of_the_training(kept):
    starts = kept("arm,seed,success\nA,1,1\nA,2,0\nB,1,1\nB,2,1\n")
    assert {t.start for t in starts.trials} == {"1", "2"} and {t.training for t in starts.trials} == {"1"}
    trainings = kept("arm,seed,success\nA,1,1\nA,1,0\nA,2,1\nA,2,1\n")
    assert {t.training for t in trainings.trials} == {"1", "2"} and {t.start for t in trainings.trials} == {
        None
    }


def _lerobot(folder: Path, record: dict) -> str:
    folder.mkdir()
    (folder / "eval_info.json").write_text(json.dumps(record))
    return str(folder / "eval_info.json")


def test_lerobots_records_old_and_new(tmp_path):
    episodes = [
        {"episode_ix": i, "sum_reward": 3.0, "max_reward": 0.5, "success": i > 0, "seed": 1000 + i}
        for i in range(3)
    ]
    old = _lerobot(tmp_path / "act", {"per_episode": episodes, "aggregated": {"pc_success": 66.7}})
    metrics = {"sum_rewards": [1.0, 2.0], "max_rewards": [0.2, 1.0], "successes": [False, True]}
    new = _lerobot(
        tmp_path / "pi0",
        {
            "per_task": [{"task_group": "pusht", "task_id": 0, "metrics": metrics}],
            "per_group": {},
            "overall": {},
        },
    )
    read = read_trials([old, new])
    assert _outcomes(read) == {
        **{("act", "1", f"seed {1000 + i}"): float(i > 0) for i in range(3)},
        **{("pi0", "1", f"pusht 0, episode {i}"): float(i) for i in range(2)},
    }
    named = read_trials([old, new], {"outcome": "max_reward"}, names=["A", "B"])
    assert [(t.arm, t.outcome) for t in named.trials] == [("A", 0.5)] * 3 + [("B", 0.2), ("B", 1.0)]


def test_files_without_an_arm_are_an_arm_each(tmp_path, capsys):
    for name, good in (("ours", "1110"), ("theirs", "1000")):
        rows = "".join(f"{i},{g}\n" for i, g in enumerate(good))
        (tmp_path / f"{name}.csv").write_text("start,success\n" + rows)
    files = [str(tmp_path / f"{name}.csv") for name in ("theirs", "ours")]
    assert main(["evaluate", *files, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "ours succeeded in 3 of 4 trials" in said and "all its trials are of 'ours'" in said
    assert main(["evaluate", files[0], "--arm", "robot"]) == 2
    line = capsys.readouterr().err
    assert "--arm robot: no column of this name, among 'start', 'success'" in line and line.count("\n") == 1


def test_trials_with_and_without_starts_are_not_mixed(tmp_path, capsys):
    (tmp_path / "day1.csv").write_text(
        "policy,trial,success\n" + "".join(f"A,{i},1\nB,{i},0\n" for i in range(9))
    )
    (tmp_path / "day2.csv").write_text("policy,success\n" + "A,1\nB,1\n" * 9)
    command = ["evaluate", *(str(tmp_path / f"day{n}.csv") for n in (1, 2)), "--out", str(tmp_path / "out")]
    for more in ([], ["--sequential"]):
        assert main([*command, *more]) == 2
        error = capsys.readouterr().err
        assert "day2.csv" in error and "no start, but" in error and "--start none" in error
    assert not (tmp_path / "out").exists()
    assert main([*command, "--start", "none"]) == 0
    assert "18" in capsys.readouterr().out, "trials of an arm, none of which is lost"
