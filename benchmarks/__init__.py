"""How fast is it, and is it as fast as it has to be: ``python -m benchmarks``.

One question a file (``bench_*.py``), all of them asked by the same harness::

    __main__ -> _runner -- starts processes --> _worker -> bench_*.py with a Kit
                   |                                          (warm-up, rounds, samples)
                   v
                 Run (_model) -> _table, _html, _compare, JSON

What is compared is measured in turns within one process: a round takes one sample of each
subject, so that whatever slows the machine down slows all of them down. Figures are medians,
and what matters are ratios within one run: machines differ and are noisy.
"""
