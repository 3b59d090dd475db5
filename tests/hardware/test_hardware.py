"""What a device tells of itself, from drawn file systems laid out as Linux lays out its own."""

import os
import platform
import resource
import subprocess
import sys
import time
from mmap import mmap

import pytest

from curbside.hardware import (
    CoreTimes,
    Temperature,
    Throttling,
    board_name,
    read_condition,
    read_core_times,
    read_memory,
    reset_peak_memory,
)

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@pytest.fixture
def device(tmp_path):
    """Writes files under a root, by their paths, and gives the root."""

    def write(files: dict[str, str]):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def _zone(number: int, kind: str, thousandths: object) -> dict[str, str]:
    folder = f"sys/class/thermal/thermal_zone{number}"
    return {f"{folder}/type": f"{kind}\n", f"{folder}/temp": f"{thousandths}\n"}


def _cooler(number: int, kind: str, state: object) -> dict[str, str]:
    folder = f"sys/class/thermal/cooling_device{number}"
    return {f"{folder}/type": f"{kind}\n", f"{folder}/cur_state": f"{state}\n"}


def _clock(number: int, now: int, limit: int, top: int) -> dict[str, str]:
    folder = f"sys/devices/system/cpu/cpufreq/policy{number}"
    names = {"scaling_cur_freq": now, "scaling_max_freq": limit, "cpuinfo_max_freq": top}
    return {f"{folder}/{name}": f"{value}\n" for name, value in names.items()}


def test_a_device_that_tells_nothing_is_no_error(tmp_path):
    found = read_condition(tmp_path)
    assert (found.temperature, found.throttling, found.clock_mhz) == (None, None, None)
    assert board_name(tmp_path) is None
    assert read_memory(tmp_path) is None
    assert read_core_times(tmp_path) is None
    assert not reset_peak_memory(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_hottest_zone_that_can_be_believed(device):
    root = device(
        {
            **_zone(0, "CPU-therm", 34_500),
            **_zone(1, "GPU-therm", 41_250),
            **_zone(2, "PMIC-Die", 100_000),  # made up by a Jetson
            **_zone(3, "off", -256_000),
            **_zone(10, "broken", "n/a"),
            "sys/class/hwmon/hwmon0/name": "nvme\n",
            "sys/class/hwmon/hwmon0/temp1_input": "80000\n",
        }
    )
    assert read_condition(root).temperature == Temperature(celsius=41.25, sensor="GPU-therm")


def test_without_zones_the_monitors_tell(device):
    root = device(
        {
            "sys/class/hwmon/hwmon0/name": "k10temp\n",
            "sys/class/hwmon/hwmon0/temp1_input": "51125\n",
            "sys/class/hwmon/hwmon0/temp1_label": "Tctl\n",
            "sys/class/hwmon/hwmon1/name": "nvme\n",
            "sys/class/hwmon/hwmon1/temp1_input": "38850\n",
        }
    )
    expected = Temperature(celsius=51.125, sensor="k10temp Tctl")
    assert read_condition(root).temperature == expected


EVERY = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")


@pytest.mark.parametrize(
    ("said", "now", "earlier"),
    [
        ("0x0", (), ()),
        ("0x50005", ("under-voltage", "throttled"), ("under-voltage", "throttled")),
        ("0x80002", ("frequency capped",), ("soft temperature limit",)),
        ("0xf000f", EVERY, EVERY),
    ],
)
@pytest.mark.parametrize("way", ["command", "file"])
def test_a_raspberry_pi_in_words(device, said, now, earlier, way):
    if way == "command":
        root = device(
            {"usr/bin/vcgencmd": f"#!/bin/sh\n[ $1 = get_throttled ] && echo throttled={said}\n"}
        )
        (root / "usr/bin/vcgencmd").chmod(0o755)
    else:
        path = "sys/devices/platform/soc/soc:firmware/get_throttled"
        root = device({path: f"{said.removeprefix('0x')}\n"})
    assert read_condition(root).throttling == Throttling(now=now, earlier=earlier)


def test_a_command_that_fails_gives_way_to_the_file(device):
    root = device(
        {
            "usr/bin/vcgencmd": "#!/bin/sh\necho VCHI initialization failed\nexit 255\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "4\n",
        }
    )
    (root / "usr/bin/vcgencmd").chmod(0o755)
    assert read_condition(root).throttling == Throttling(now=("throttled",))


def test_what_cools_by_slowing_down_is_told_and_a_fan_is_not(device):
    root = device(
        {
            **_cooler(0, "pwm-fan", 3),
            **_cooler(1, "thermal-cpufreq-0", 2),
            **_cooler(2, "devfreq-17000000.gpu", 0),
            **_cooler(3, "intel_powerclamp", -1),
            **_cooler(4, "TCC Offset", 3),
        }
    )
    assert read_condition(root).throttling == Throttling(now=("thermal-cpufreq-0 cools",))


def test_a_fan_alone_tells_nothing_of_throttling(device):
    assert read_condition(device(_cooler(0, "pwm-fan", 3))).throttling is None


def test_clocks(device):
    root = device(
        {**_clock(0, 600_000, 1_800_000, 1_800_000), **_clock(4, 1_200_000, 1_416_000, 2_400_000)}
    )
    found = read_condition(root)
    assert (found.clock_mhz, found.top_clock_mhz) == (900.0, 2100.0)
    assert found.throttling == Throttling(now=("clock held at 1416 of 2400 MHz",))


def test_a_slow_clock_of_an_idle_device_is_no_throttling(device):
    root = device(_clock(0, 600_000, 1_800_000, 1_800_000))
    assert read_condition(root).throttling == Throttling()


def test_load(device):
    assert read_condition(device({"proc/loadavg": "1.25 0.80 0.50 2/300 4242\n"})).load == 1.25


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (
            {"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"},
            "Raspberry Pi 5 Model B Rev 1.0",
        ),
        (
            {
                "sys/class/dmi/id/sys_vendor": "LENOVO\n",
                "sys/class/dmi/id/product_name": "20XW\n",
            },
            "LENOVO 20XW",
        ),
    ],
)
def test_board(device, files, name):
    assert board_name(device(files)) == name


def test_core_times(device):
    # user nice system idle iowait irq softirq steal guest guest_nice; guests are in user and nice
    root = device({"proc/stat": "intr 5\n\ncpu  100 10 50 800 40 0 5 0 60 0\ncpu0 1 1 1 1 1\n"})
    before = read_core_times(root)
    assert before == CoreTimes(busy=165, total=1005)
    later = CoreTimes(busy=165 + 30, total=1005 + 40)
    assert later.busy_share_since(before) == 0.75
    assert later.busy_share_since(None) is None
    assert later.busy_share_since(later) is None


def test_memory_is_in_millions_of_bytes(device):
    status = "Name:\tpython\nVmPeak:\t 900000 kB\nVmHWM:\t  250000 kB\nVmRSS:\t  125000 kB\n"
    found = read_memory(device({"proc/self/status": status}))
    assert found is not None
    assert (found.resident_mb, found.peak_mb) == (128.0, 256.0)


def test_a_peak_may_not_be_forgotten_everywhere(device):
    root = device({"proc/self/clear_refs": ""})
    assert reset_peak_memory(root)
    assert (root / "proc/self/clear_refs").read_text() == "5\n"


@LINUX
def test_memory_of_this_process():
    found = read_memory()
    assert found is not None
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    assert 0 < found.resident_mb <= found.peak_mb
    assert found.peak_mb <= peak_mb + 1


@LINUX
def test_the_peak_of_what_came_after_the_reset():
    if not reset_peak_memory():
        pytest.skip("this system does not let the peak be forgotten")
    before = read_memory()
    with mmap(-1, 40_000_000) as block:  # which goes back at once, as an array's memory need not
        for page in range(0, len(block), 4096):
            block[page] = 1
    after = read_memory()
    assert before is not None
    assert after is not None
    assert after.peak_mb - before.resident_mb > 35
    reset_peak_memory()
    again = read_memory()
    assert again is not None
    assert again.peak_mb < after.peak_mb - 30


@LINUX
def test_cores_of_this_device_count_on():
    before = read_core_times()
    end_s = time.perf_counter() + 0.1
    while time.perf_counter() < end_s:
        pass
    after = read_core_times()
    assert before is not None
    assert after is not None
    share = after.busy_share_since(before)
    assert share is not None
    assert 0 < share <= 1


@pytest.mark.parametrize(("call", "heaps"), [("keep_one_heap()", 1), ("None", 5)])
def test_threads_share_one_heap(call, heaps):
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("only glibc gives threads heaps of their own")
    code = f"""
import ctypes, threading
from curbside.hardware.memory import keep_one_heap
kept = {call}
libc = ctypes.CDLL(None)
together = threading.Barrier(4)
def take():
    together.wait()
    libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=take) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.malloc_stats()
"""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    found = told.stderr.count("Arena ")
    assert found == 1 if heaps == 1 else found >= heaps


@LINUX
def test_freed_memory_goes_back():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("only glibc can be asked to")
    code = """
import ctypes
from curbside.hardware import give_back_memory, read_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(65_536) for _ in range(1000)]
for block in blocks:
    ctypes.memset(block, 1, 65_536)
last = libc.malloc(65_536)  # keeps the top of the heap where it is
for block in blocks:
    libc.free(block)
before = read_memory().resident_mb
assert give_back_memory()
print(before - read_memory().resident_mb)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert float(told.stdout) > 50
