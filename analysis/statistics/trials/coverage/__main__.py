"""How often the intervals hold the truth, by simulation: writes the tables of `docs/coverage.md`.

python -m align.analysis.statistics.trials.coverage > docs/coverage.md
"""

from collections.abc import Callable

from align.analysis.statistics.trials.coverage import counts, derived, many, sequences, tables

SECTIONS: dict[str, tuple[Callable[[], str], str]] = {
    "Means of scores": (
        tables.means,
        """Shares of the mean's variance that are due to trainings: 5 % (trials dominating), 50 %, 95 %.
*Own*: by the arm's trainings alone, with Cochran's critical value. *Satterthwaite*: the same
variance with his degrees of freedom. *Pooled*: the variance between trainings with 17 degrees
of freedom, as a sweep of 17 arms of two gives. *Bootstrap*: percentiles of means of trainings and
trials that are both drawn anew. Widths are medians, over that of the interval one would have if all
variances were known.""",
    ),
    "Success rates": (
        lambda: tables.rates_alone(False),
        """By the arm's own trainings; columns are true rates. Latent shares of trainings, trials and
rest: .003, .5, .497 (trials dominating); .02, .3, .68 (both); .1, .1, .8 (trainings: at .5
their rates differ by a standard deviation of .13). Where two trainings hardly differ nobody
can know it from two, and the interval is too wide; pooling the scatter of several arms, below,
cures it.""",
    ),
    "Scores in [0, 1]": (
        lambda: tables.rates_alone(True),
        "The same of partial credit (beta with α + β = 1).",
    ),
    "Success rates, scatter pooled over arms": (
        lambda: tables.rates_pooled(False),
        """With the relative variance between trainings of eight other arms of two trainings; for arms of
one training and of two.""",
    ),
    "Scores in [0, 1], scatter pooled over arms": (
        lambda: tables.rates_pooled(True),
        """The same of partial credit. A mean of .02 or .98 over 50 trials of one or two trainings is
covered too seldom: nearly all of it comes from outcomes that 50 trials may not show.""",
    ),
    "Differences of success rates": (
        lambda: tables.differences(False),
        """Two arms on shared trials, each with trainings of its own; *own*: scatter of the two arms,
*pooled*: of eight arms.""",
    ),
    "Differences of scores in [0, 1]": (lambda: tables.differences(True), "The same of partial credit."),
    "Differences of scores on few shared trials": (
        tables.few_shared,
        """Two policies, one training each, and partial credit; how hard a trial is makes up .6 of what scores
differ by, of which the policies have nothing, half or all in common. Up to 30 shared trials the interval
is as wide as Student's at least. Successes have Tango's interval, below: *paired counts*.""",
    ),
    "Many arms": (
        many.many_arms,
        """Shares of tables of 16 arms that do not differ from the reference (training SD .033, as
recorded): false positives of one comparison, tables with any single comparison below 5 %, with
any simultaneous one; and how often one of 17 equal arms is missing from the set of those that
may be the best.""",
    ),
    "Many arms, all differences at once": (
        many.at_once,
        """Seventeen arms that do differ: shares of tables in which all sixteen differences from the first
hold, by intervals of single comparisons, by the simultaneous ones that reports and `align evaluate`
show (min-p), and by Bonferroni's; and how wide the middle ones are beside the last. An arm that
scatters tenfold is judged by its own trainings where it stands out. But two trainings may lie side
by side by luck, both far off: then nothing tells, and its interval is too narrow, in up to a fifth of
tables. Three trainings seldom do; one training that collapsed beside one that did not is seen.""",
    ),
    "Arms that scatter unlike each other": (
        many.unlike,
        """Reports pool the variance between trainings over the arms of a sweep. Here nine arms have a
standard deviation of .02 between trainings, and eight one, two or four times as much; coverage of
a single difference. Where arms differ so, pooling gives the calm ones wider and the wild ones
narrower intervals than the truth. A report sets aside an arm whose trainings stand out, and says
so. From two trainings an arm it cannot be told which half is the wild one: drawing each arm's own
variance towards the pooled one (Smyth 2004) mends a fifth of what is missing. Where it is known
that two arms scatter more than others, compare these two by themselves, as in the last column.""",
    ),
    "Interquartile means and probabilities of improvement": (
        derived.aggregates,
        "Scores of 150 trials, by the trainings of one arm, and of two.",
    ),
    "Medians of motion": (
        derived.medians,
        """Of 60 trials a third fail; how rough a path is varies by .7 between trials and by .4 besides, in
logarithms. Scatter of trainings pooled over six arms; ratios are of the trials in which both
succeed.""",
    ),
    "Probes over trainings": (
        derived.probes,
        """Each run has an interval of its own over held-out episodes, which all runs share. On the recorded
pushing sweeps trainings differ in the image features' AUC and MMD² by one to eight times that
variance, of an arm between success and collapse up to fifty times. Pooled over ten arms, whatever
their scale; beside it the normal quantile with the scatter of the arm's own trainings. In the last two
columns the trainings of one arm scatter tenfold: it is judged by itself where it stands out. Two trainings
may lie side by side by luck, both far off; then nothing tells, and its interval is too narrow.""",
    ),
    "Plateaus": (
        derived.plateaus,
        """Of scores over |D_sim| at 20 real demonstrations, and the real data alone that equals the plateau;
ten cells, 150 trials that all runs share.""",
    ),
    "Counts": (counts.counts, "One policy, independent trials; by enumeration over rates of .005 to .995."),
    "Paired counts": (
        counts.paired_counts,
        """Two policies, one training each, on shared starts; by enumeration. Tango's interval by itself, and
as it is shown: with 0 unless McNemar's exact test (p) says otherwise. At equal rates an interval
without 0 is an error, of which 5 % are meant.""",
    ),
    "Trial by trial": (
        sequences.sequences,
        """Share settled within 500 pairs of trials, at 5 % and at 1 %, and the mean number needed (500
where not settled); beside it the pairs that a test planned for that very difference needs. At
equal rates *settled* is the type-I error.""",
    ),
    "Trial by trial, beside another test": (
        sequences.beside_savi,
        """The rates, limits and levels of the tasks on which STEP was tried (arXiv 2503.10966), and two
without a difference, where *settled* is the type-I error; starts of the arms' own. Beside betting
(`align evaluate --sequential`) stands SAVI, an e-process of success rates. STEP itself is not in
the table: its rules are computed for a number of trials that is fixed beforehand.""",
    ),
    "With simulation's help": (
        counts.assisted,
        """Least and mean over rates of .05, .2, .5, .8, .95 and simulations that are off by −.15 or .05;
a difference of .7 − .5; width with simulation over that without.""",
    ),
}


def main() -> None:
    """Print all tables."""
    print("# How often the intervals hold the truth\n")
    print(
        "Written by `python -m align.analysis.statistics.trials.coverage > docs/coverage.md` in some minutes."
    )
    print(
        "All intervals are nominally 95 %. A cell of 1000 to 4000 simulations is uncertain by .004 to .007, "
        "one of 200 to 600 by .009 to .015."
    )
    for title, (section, text) in SECTIONS.items():
        print(f"\n## {title}\n\n{text}\n\n{section()}", end="", flush=True)


if __name__ == "__main__":
    main()
