"""How fast is it: ``make bench``, or ``python -m benchmarks``.

What is compared is measured in turns within one process: a round takes one sample of each
subject, so that whatever slows the machine down slows all of them down. Figures are medians
over the rounds, and what matters are the ratios: machines differ and are noisy.
"""
