"""How fast is it, and is it as fast as it has to be: ``python -m benchmarks``.

One question a file (``bench_*.py``), all of them asked by the same harness::

    __main__ -> _cli -> _runner -- starts processes --> _worker -> bench_*.py with a Kit
                           |                                          (warm-up, rounds, samples)
                           v
                         Run (_model) -> _table, _report, _html, _compare, JSON
                                      -> _budget: which lines hold

What is compared is measured in turns within one process: a round takes one sample of each
subject, so that whatever slows the machine down slows all of them down, and each ratio is
taken within a round. Figures are medians of several rounds in several processes; their
intervals come from resampling processes first and rounds in them (_stats). The clock is the
processor time of the process, unless waiting is what the question is about.

Why not pyperf: it gives every subject a process of its own and runs them one after another.
On a machine that does other things too, what happens meanwhile then looks like a difference
between the subjects. And half of the questions are not the time of a function: percentiles of
latency, memory, the fairness between clients, curves.

A further question is a further file ``bench_NAME.py``: ``TITLE``, ``measure(kit)`` and, where
the usual ones do not fit, ``PROCESSES``. It is found by its name.
"""
