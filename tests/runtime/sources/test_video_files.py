"""Video files: exact times, seeking, damage said and gone over, nothing reached that was not named."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from video_builders import number_of, numbered, write_video

from curbside.errors import SourceError
from curbside.runtime import open_source

X264 = {"codec": "libx264", "g": "20", "bf": "3", "x264-params": "scenecut=0:open-gop=1"}
EVEN = [40 * number for number in range(60)]
UNEVEN = np.cumsum([0, *np.random.default_rng(3).integers(10, 120, 59)]).tolist()


def collect(source, start_s=0.0):
    """Frames, what was left out and reported, and the error at the end."""
    frames, reported, error = [], [], None
    source.report = reported.append
    try:
        frames += source.frames(start_s)
    except SourceError as raised:
        error = raised
    return frames, reported, error


def clip(path: Path, times_ms=EVEN, **more) -> Path:
    more = more or X264
    write_video(path, map(numbered, range(len(times_ms))), times_ms=times_ms, **more)
    return path


CASES = [
    ("even.mp4", EVEN, X264),
    ("uneven.mp4", UNEVEN, X264),
    ("uneven.mkv", UNEVEN, X264),
    ("late.mp4", [5000 + time for time in UNEVEN], X264),
    ("late.mkv", [5000 + time for time in UNEVEN], X264),
    ("sparse.avi", EVEN, {"codec": "mpeg4", "rate": 50}),
    ("late.ts", [5000 + time for time in EVEN], X264),
    ("bare.h264", EVEN, X264),
    ("small.webm", EVEN, {"codec": "libvpx", "g": "20", "deadline": "realtime"}),
]


@pytest.mark.parametrize(("name", "times_ms", "how"), CASES, ids=[name for name, *_ in CASES])
def test_times_are_exact_and_seeking_finds_the_frame_that_reading_all_finds(
    tmp_path, name, times_ms, how
):
    source = open_source(clip(tmp_path / name, times_ms, **how))
    frames, reported, error = collect(source)
    assert (reported, error) == ([], None)
    assert [number_of(frame.bgr) for frame in frames] == list(range(60))
    assert [frame.index for frame in frames] == list(range(60))
    true_s = (np.array(times_ms) - times_ms[0]) / 1000
    assert [frame.timestamp_s for frame in frames] == pytest.approx(true_s, abs=1e-6)
    half_s = 0.5 / source.fps
    rng = np.random.default_rng(7)
    for start_s in [
        0.0,
        0.4 * half_s,
        *true_s[[1, 19, 20, 21, 59]],
        *rng.uniform(0, true_s[-1], 6),
    ]:
        wanted = np.flatnonzero(true_s >= start_s - half_s - 1e-9)
        first = next(source.frames(float(start_s)))
        assert number_of(first.bgr) == wanted[0]
        assert first.timestamp_s == pytest.approx(true_s[wanted[0]], abs=1e-6)
    assert [number_of(f.bgr) for f in source.frames(float(true_s[50]))][-1] == 59
    assert list(source.frames(100.0)) == []
    source.close()


def test_a_frame_number_after_seeking_is_that_of_the_whole_clip(tmp_path):
    source = open_source(clip(tmp_path / "clip.mp4"))
    assert [(f.index, number_of(f.bgr)) for f in source.frames(2.0)][:2] == [(50, 50), (51, 51)]
    assert (source.seekable, source.duration_s, source.fps) == (True, 2.4, 25.0)


def test_reading_can_be_left_and_begun_anew_at_any_time(tmp_path):
    source = open_source(clip(tmp_path / "clip.mp4"))
    left = source.frames()
    assert number_of(next(left).bgr) == 0
    assert [number_of(f.bgr) for f in islice(source.frames(0.4), 2)] == [10, 11]
    left.close()
    frames = source.frames()
    next(frames)
    source.interrupt()
    assert list(frames) == []
    assert len(list(source.frames())) == 60


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_clip_that_was_filmed_upright_is_shown_upright(tmp_path, turned):
    """OpenCV's reading of the same file is the reference."""
    path = tmp_path / "clip.mp4"
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:20, :30] = 255
    write_video(path, [picture] * 3, turned=turned)
    mine = next(open_source(path).frames()).bgr
    assert mine.shape[:2] == ((64, 96) if turned == 180 else (96, 64))
    there, theirs = cv2.VideoCapture(str(path)).read()
    assert there
    assert np.abs(mine.astype(int) - theirs).max() <= 2
    assert mine.flags.c_contiguous


def test_video_of_ten_bits_has_the_pixels_that_opencv_gives(tmp_path):
    path = tmp_path / "clip.mkv"
    noise = np.random.default_rng(5).integers(0, 256, (64, 96, 3), np.uint8)
    write_video(path, [noise] * 2, codec="ffv1", pixels="yuv420p10le")
    there, theirs = cv2.VideoCapture(str(path)).read()
    assert there
    assert np.abs(next(open_source(path).frames()).bgr.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("width", [97, 98, 100])
def test_rows_of_any_length_come_without_filling(tmp_path, width):
    path = tmp_path / "clip.avi"
    write_video(path, [numbered(5, (50, width))], codec="mjpeg", pixels="yuvj444p")
    picture = next(open_source(path).frames()).bgr
    assert picture.shape == (50, width, 3) and picture.flags.c_contiguous
    assert number_of(picture) == 5


def test_pictures_change_their_size_in_mid_stream(tmp_path):
    path = tmp_path / "clip.h264"
    with path.open("wb") as file:
        for size_hw in ((48, 96), (64, 128)):
            write_video(file, (numbered(n, size_hw) for n in range(5)), container="h264", **X264)
    frames, reported, error = collect(open_source(path))
    assert (reported, error) == ([], None)
    assert [f.bgr.shape[:2] for f in frames] == [(48, 96)] * 5 + [(64, 128)] * 5
    assert [number_of(f.bgr) for f in frames] == [0, 1, 2, 3, 4] * 2


def damaged(path: Path) -> Path:
    """Motion JPEG, two frames of which are overwritten."""
    write_video(path, map(numbered, range(10)), codec="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    place = 0
    for number in range(10):
        place = data.index(b"\xff\xd8", place + 2)
        if number in (3, 7):
            end = data.index(b"\xff\xd9", place)
            data[place:end] = bytes(end - place)
    path.write_bytes(data)
    return path


def test_a_frame_that_cannot_be_decoded_is_left_out_and_reported(tmp_path):
    source = open_source(damaged(tmp_path / "clip.avi"))
    frames, reported, error = collect(source)
    assert error is None
    assert (
        [f.index for f in frames] == [number_of(f.bgr) for f in frames] == [0, 1, 2, 4, 5, 6, 8, 9]
    )
    assert ["frame 3 of" in reported[0].what, "frame 7 of" in reported[1].what] == [True, True]
    assert len(reported) == 2


def test_where_nobody_is_told_the_error_names_them_after_the_last_frame(tmp_path):
    source = open_source(damaged(tmp_path / "clip.avi"))
    frames = []
    with pytest.raises(SourceError, match=r"2 of 10 frames cannot be read: frame 3 .*; frame 7 "):
        frames += source.frames()  # += keeps what came before the error
    assert len(frames) == 8


def test_h264_with_noise_in_it_goes_on(tmp_path):
    path = clip(tmp_path / "clip.mp4", codec="libx264", g="10", bf="0")
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat")
    middle = start + (len(data) - start) // 4
    data[middle : middle + 40] = np.random.default_rng(1).integers(0, 256, 40, np.uint8).tobytes()
    path.write_bytes(data)
    frames, reported, error = collect(open_source(path))
    assert error is None
    assert reported and len(frames) + len(reported) == 60
    assert number_of(frames[-1].bgr) == 59 == frames[-1].index


def test_a_clip_cut_off_after_its_index_ends_early(tmp_path):
    path = clip(tmp_path / "clip.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    frames, _, error = collect(open_source(path))
    assert 10 < len(frames) < 58
    assert error is not None and f"ends early: {len(frames)} of 60 frames" in error.what
    _, _, error = collect(open_source(path), 0.4)
    assert error is not None and "ends early" in error.what


def copied(path: Path, old: Path, shift_ms: int = 0, silence_s: int = 0) -> Path:
    """A video as it is, earlier by so much, beside a silence that is so long."""
    import av

    with av.open(str(old)) as source, av.open(str(path), "w") as file:
        video = source.streams.video[0]
        stream = file.add_stream_from_template(video)
        packets = [packet for packet in source.demux(video) if packet.size]
        if silence_s:
            sound = file.add_stream("pcm_s16le", rate=8000, layout="mono")
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 8000 * silence_s), np.int16), "s16", "mono"
            )
            frame.sample_rate, frame.pts = 8000, 0
            file.mux(sound.encode(frame))
        for packet in packets:
            shift = round(shift_ms / 1000 / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
            file.mux(packet)
    return path


def test_a_clip_trimmed_without_encoding_is_whole(tmp_path):
    """The packets before its first frame are there, and hidden."""
    old = clip(tmp_path / "old.mp4")
    path = copied(tmp_path / "clip.mp4", old, shift_ms=1000)
    frames, reported, error = collect(open_source(path))
    assert [number_of(frame.bgr) for frame in frames] == list(range(25, 60))
    assert (reported, error) == ([], None)


@pytest.mark.parametrize("name", ["clip.flv", "clip.mkv"])
def test_sound_that_is_longer_than_the_pictures_promises_none(tmp_path, name):
    old = clip(tmp_path / "old.mp4")
    frames, _, error = collect(open_source(copied(tmp_path / name, old, silence_s=9)))
    assert len(frames) == 60 and error is None


@pytest.mark.parametrize("duration", [b"nan:00:10", b"9e30:0:10", b"-1:00:10", b"00:00:00"])
def test_a_duration_that_cannot_be_is_none(tmp_path, duration):
    path = clip(tmp_path / "clip.mkv")
    data = path.read_bytes()
    assert data.count(b"00:00:02.4") == 1
    path.write_bytes(data.replace(b"00:00:02.400000000", duration.ljust(18, b"0")))
    source = open_source(path)
    assert (source.duration_s, source.total) == (2.4, 60)  # the file's own, which is right
    frames, _, error = collect(source)
    assert len(frames) == 60 and error is None


def test_seeking_can_be_interrupted(tmp_path):
    source = open_source(clip(tmp_path / "clip.mp4", **X264 | {"g": "60"}))
    seen = []
    real = source._from

    def counted(container, begin_s):
        for item in real(container, begin_s):
            seen.append(item)
            if len(seen) == 5:
                source.interrupt()
            yield item

    source._from = counted
    assert list(source.frames(2.0)) == []
    assert len(seen) == 5


def test_a_closed_file_says_so(tmp_path):
    source = open_source(clip(tmp_path / "clip.mp4", EVEN[:3]))
    source.close()
    with pytest.raises(SourceError, match=r"clip\.mp4 was closed"):
        next(source.frames())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile {secret}\n"),
        ("notes.txt", "what FFmpeg would draw as a terminal does\n" * 20),
        ("words.mp4", "no video at all\n" * 20),
    ],
)
def test_a_playlist_reaches_nothing_and_text_is_no_video(tmp_path, name, content):
    (tmp_path / "elsewhere").mkdir()
    secret = clip(tmp_path / "elsewhere" / "secret.mp4", EVEN[:5])
    text = content.format(secret=secret, url="http://127.0.0.1:9/secret.ts")
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match="cannot be opened as a video") as raised:
        open_source(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_the_cover_of_a_song_is_no_video(tmp_path):
    """Its one stream of pictures says that it is attached."""
    path = tmp_path / "song.mp4"
    write_video(path, [numbered(1)], codec="mjpeg", pixels="yuvj420p")
    import av
    from av.stream import Disposition

    covered = tmp_path / "covered.mp4"
    with av.open(str(path)) as old, av.open(str(covered), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.disposition = Disposition.attached_pic
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    with pytest.raises(SourceError, match="it holds no pictures"):
        open_source(covered)


@pytest.mark.parametrize("name", ["/dev/null", "/dev/zero", "/dev"])
def test_what_is_no_file(name):
    with pytest.raises(SourceError, match=r"is no file|holds no pictures"):
        open_source(name)


LIMITED = """
import resource, sys
from pathlib import Path
from curbside.errors import CurbsideError
from curbside.runtime import open_source

list(open_source(sys.argv[1]).frames())  # the libraries are loaded
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 128 * 2**20,) * 2)
for path in sys.argv[2:]:
    count, reported = 0, []
    try:
        source = open_source(path)
        source.report = reported.append
        for frame in source.frames():
            count += 1
        print(count, len(reported))
    except CurbsideError as error:
        print(error)
"""


def test_pictures_of_absurd_size_take_no_memory(tmp_path):
    """The size in the header of a raw video, and that in the later pictures of one in JPEG."""
    small, raw, jpegs = (tmp_path / name for name in ("small.avi", "raw.avi", "jpegs.avi"))
    write_video(small, map(numbered, range(10)), codec="mjpeg", pixels="yuvj420p")
    write_video(raw, [numbered(1)], codec="rawvideo", pixels="bgr24")
    data = bytearray(raw.read_bytes())
    place = data.index(b"strf") + 12
    data[place : place + 8] = (100_000).to_bytes(4, "little") * 2
    raw.write_bytes(data)
    data = bytearray(small.read_bytes())
    place = 0
    for number in range(10):
        place = data.index(b"\xff\xc0\x00\x11\x08", place) + 5
        if number >= 6:
            data[place : place + 4] = (65_000).to_bytes(2, "big") * 2
    jpegs.write_bytes(data)
    command = [sys.executable, "-c", LIMITED, *map(str, (small, raw, jpegs))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert "raw.avi ends early: 0 of 1 frames" in said[0]
    assert said[1:] == ["6 4"]
