"""zlib streams (RFC 1950, 1951) written from runs, without ever laying out the bytes they stand for.

A picture of few values, filtered row by row, is zeros with some runs of other values between. A
general compressor must look at each of its bytes to find that out; who knows the runs can write
them down as literals and repeats at once. Codes are Huffman codes made for the stream.
"""

from __future__ import annotations

import heapq

import numpy as np

__all__ = ["Deflater"]

_END = 256
_LONGEST = 258
_MATCH = 257  # tokens: 0..255 a byte, 256 the end, then 257 + length for a repeat of the last byte
_WIDE = _MATCH + _LONGEST + 1  # and from here on a repeat of the last `step` bytes
_ADLER = 65521


def _symbol_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each token: its literal/length symbol, and value and number of its extra bits."""
    symbols = np.zeros(_WIDE + _LONGEST + 1, np.int64)
    extra, width = np.zeros_like(symbols), np.zeros_like(symbols)
    symbols[: _END + 1] = np.arange(_END + 1)
    length = 3
    for symbol in range(257, 285):  # RFC 1951, 3.2.5
        bits = max(0, (symbol - 261) // 4)
        for value in range(1 << bits):
            for base in (_MATCH, _WIDE):
                if length + value < _LONGEST:
                    symbols[base + length + value] = symbol
                    extra[base + length + value], width[base + length + value] = value, bits
        length += 1 << bits
    symbols[[_MATCH + _LONGEST, _WIDE + _LONGEST]] = 285
    return symbols, extra, width


_SYMBOLS, _EXTRA, _EXTRA_BITS = _symbol_tables()
_REVERSED = np.array([int(f"{i:015b}"[::-1], 2) for i in range(1 << 15)], np.int64)


class Deflater:
    """Writes one stream.

    Args:
        step: Bytes of a value, 1..4; a run repeats values of that many bytes.
        size: Bytes that the stream stands for.
    """

    def __init__(self, *, step: int, size: int) -> None:
        self._step = step
        self._size = size
        self._longest = _LONGEST - _LONGEST % step  # so that a rest never cuts a value

    def encode(self, *, places: np.ndarray, repeats: np.ndarray, values: np.ndarray) -> bytes:
        """The stream of zeros with runs in it.

        Args:
            places: (R,) int32, where each run begins, in bytes, rising; the first is 0.
            repeats: (R,) int32, how often its value stands there; 0 for the first byte of the value
                alone, whose others are 0.
            values: (step, R) uint8.
        """
        tokens = self._tokens(places, repeats, values)
        counts = np.bincount(tokens, minlength=_SYMBOLS.size)
        lengths = _code_lengths(
            np.bincount(_SYMBOLS, weights=counts, minlength=286).astype(np.int64)
        )
        bits, width = self._codes(lengths)
        head, head_width = self._header(lengths)
        body = _pack(
            np.concatenate([head, bits[tokens]]), np.concatenate([head_width, width[tokens]])
        )
        adler = self._adler(places, repeats, values)
        return b"\x78\x01" + body + adler.to_bytes(4, "big")

    def _tokens(self, places: np.ndarray, repeats: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The stream as tokens: each run, then the zeros up to the next one."""
        runs, step = len(places), self._step
        written = np.where(repeats == 0, 1, repeats * step).astype(np.int32)
        # Each run and each stretch of zeros is some literals, then repeats of the longest kind, then
        # a rest. Even places are runs, odd ones the zeros behind them.
        length = np.empty(2 * runs, np.int32)
        length[0::2] = written
        length[1::2] = np.diff(places, append=self._size) - written
        literals = (length > 0).astype(np.int32)
        literals[0::2] = np.where(repeats == 0, 1, step)
        longest = np.full(2 * runs, _LONGEST, np.int32)
        longest[0::2] = self._longest
        full, rest = np.divmod(length - literals, longest)
        matched = rest >= 3  # a rest of one or two bytes is literals again
        count = literals + full + np.where(matched, 1, rest)
        begin = np.cumsum(count) - count
        base = np.full(2 * runs, _MATCH, np.int32)
        base[0::2] = _WIDE if step > 1 else _MATCH
        tokens = np.repeat((base + longest).astype(np.uint16), count)
        tokens[begin[1::2][length[1::2] > 0]] = 0
        tokens[begin[0::2]] = values[0]
        for channel in range(1, step):
            there = literals[0::2] > channel
            tokens[begin[0::2][there] + channel] = values[channel, there]
        after = begin + literals + full
        tokens[after[matched]] = (base + rest)[matched]
        for number in range(2):
            left = np.flatnonzero((rest > number) & ~matched)
            # Two bytes left are one value of two bytes, or a value of one byte twice.
            byte = np.where(left % 2 == 0, values[number % step, left // 2], 0)
            tokens[after[left] + number] = byte
        return np.append(tokens, np.uint16(_END))

    def _codes(self, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each token: its bits, the first lowest, and how many."""
        codes = _canonical(lengths)
        bits, width = codes[_SYMBOLS], lengths[_SYMBOLS]
        bits = bits | (_EXTRA << width)
        width = width + _EXTRA_BITS
        # Two distances at most: 1 is the code 0, `step` the code 1, each of one bit.
        wide = np.arange(_SYMBOLS.size) >= _WIDE
        bits = bits | (wide.astype(np.int64) << width)
        width = width + (np.arange(_SYMBOLS.size) >= _MATCH)
        return bits.astype(np.uint32), width.astype(np.uint8)

    def _header(self, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The block's header (last block, dynamic codes) and its code lengths, as bits and widths."""
        distances = np.zeros(self._step, np.int64)
        distances[[0, self._step - 1]] = 1
        fields = [(1, 1), (2, 2), (286 - 257, 5), (self._step - 1, 5), (19 - 4, 4)]
        # The lengths 0..15 are themselves written in a code of four bits each; 16..18 are not used.
        fields += [(0, 3)] * 3 + [(4, 3)] * 16
        bits, width = np.array(fields, np.int64).T
        sent = np.concatenate([lengths, distances])
        return (
            np.concatenate([bits, _REVERSED[sent] >> 11]).astype(np.uint32),
            np.concatenate([width, np.full(sent.size, 4)]).astype(np.uint8),
        )

    def _adler(self, places: np.ndarray, repeats: np.ndarray, values: np.ndarray) -> int:
        """Adler-32 of the bytes, from the runs: zeros only move the second sum."""
        count = np.maximum(repeats, 1).astype(np.int64)
        low, high = 1, self._size % _ADLER
        for channel in range(self._step):
            byte = values[channel].astype(np.int64)
            low += int((byte * count % _ADLER).sum())
            # Byte number i counts size - i times; along a run i rises by `step`.
            weight = count * (self._size - places - channel) - self._step * (
                count * (count - 1) // 2
            )
            high += int((weight % _ADLER * byte % _ADLER).sum())
        return (high % _ADLER) << 16 | low % _ADLER


def _code_lengths(counts: np.ndarray) -> np.ndarray:
    """Lengths of Huffman codes for symbols of these counts, none over 15 bits; 0 where unused."""
    lengths = np.zeros(counts.size, np.int64)
    used = np.flatnonzero(counts).tolist()
    if len(used) == 1:
        lengths[used] = 1
        return lengths
    weights = counts[used]
    while True:
        heap = [(int(weight), order, order) for order, weight in enumerate(weights)]
        heapq.heapify(heap)
        parent = [0] * (2 * len(used) - 1)
        for node in range(len(used), 2 * len(used) - 1):
            first, second = heapq.heappop(heap), heapq.heappop(heap)
            parent[first[2]] = parent[second[2]] = node
            heapq.heappush(heap, (first[0] + second[0], node, node))
        depth = [0] * len(parent)
        for node in range(len(parent) - 2, -1, -1):
            depth[node] = depth[parent[node]] + 1
        if max(depth[: len(used)]) <= 15:
            lengths[used] = depth[: len(used)]
            return lengths
        weights = (weights + 1) // 2  # flatter counts give shorter codes


def _canonical(lengths: np.ndarray) -> np.ndarray:
    """The codes of these lengths (RFC 1951, 3.2.2), first bit lowest."""
    per_length = np.bincount(lengths, minlength=16)
    per_length[0] = 0
    following = np.zeros(16, np.int64)
    for bits in range(1, 16):
        following[bits] = (following[bits - 1] + per_length[bits - 1]) << 1
    codes = np.zeros(lengths.size, np.int64)
    for bits in range(1, 16):
        symbols = np.flatnonzero(lengths == bits)
        codes[symbols] = _REVERSED[following[bits] + np.arange(symbols.size)] >> (15 - bits)
    return codes


def _pack(bits: np.ndarray, width: np.ndarray) -> bytes:
    """Fields of at most 32 bits, one after another, as bytes; the lowest bit comes first."""
    ends = np.cumsum(width, dtype=np.int64)
    begin = ends - width
    word = begin >> 5
    shifted = bits.astype(np.uint64) << (begin & 31).astype(np.uint64)
    words = np.zeros(int(ends[-1] >> 5) + 2)
    # Fields do not overlap, so that their sum in a word is their union; a double holds it exactly.
    words[: int(word[-1]) + 1] += np.bincount(word, weights=shifted & np.uint64(0xFFFFFFFF))
    words[1 : int(word[-1]) + 2] += np.bincount(word, weights=shifted >> np.uint64(32))
    return words.astype("<u4").tobytes()[: int(ends[-1] + 7 >> 3)]
