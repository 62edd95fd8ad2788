"""Writes svhn-plain.mat and svhn-packed.mat, three pictures in the format of SVHN's files: python3 svhn.py

Made with scipy 1.10.1 and NumPy 1.24.2. The tests compute the same pixels by the same formula.
"""
import numpy
import scipy.io

h, w, c, n = numpy.ogrid[:32, :32, :3, :3]
pixels = ((7 * h + 3 * w + 50 * c + 11 * n) % 256).astype(numpy.uint8)
labels = numpy.array([[10], [1], [7]])
about = {"source": "made by hand", "sizes": numpy.eye(3)}
scipy.io.savemat("svhn-plain.mat", {"about": about, "X": pixels, "title": "three", "y": labels.astype(float)})
scipy.io.savemat("svhn-packed.mat", {"X": pixels, "about": about, "y": labels.astype(numpy.uint8)}, do_compression=True)
