"""Measure the speed of the library and compare it with its budget: ``python -m benchmarks``.

Each file ``bench_*.py`` answers one question; one harness runs them all::

    __main__ -> _cli -> _runner -- starts processes --> _worker -> bench_*.py with a Kit
                           |                                          (warm-up, rounds, samples)
                           v
                         Run (_model) -> _table, _report, _html, _compare, JSON
                                      -> _budget: which lines hold

Subjects are measured in turns within one process: a round takes one sample of each subject, so
load on the machine affects all of them alike, and each ratio is taken within a round. Figures
are medians of several rounds in several processes; their intervals come from resampling processes
first and rounds in them (_stats). The clock is the CPU time of the process, unless a question is
about waiting.

Why not pyperf: it runs every subject in a separate process, one after another. On a machine with
other load, a change of that load then looks like a difference between the subjects. And half of
the questions are not about the time of a function: percentiles of latency, memory, fairness
between clients, curves.

To add a question, add a file ``bench_NAME.py`` with ``TITLE``, ``measure(kit)`` and, if the
default does not fit, ``PROCESSES``. It is found by its name.
"""
