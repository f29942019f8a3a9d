"""The datasets that fastfa knows: what they are, whose they are, where they can be had."""

from __future__ import annotations

from dataclasses import dataclass

from .._attributes import immutable
from .cifar_names import CIFAR_10, CIFAR_100

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"


@immutable
@dataclass(frozen=True)
class DataFile:
    """One file of a dataset, described without its compression.

    Attributes
    ----------
    name : str
        The file's name, without ``.gz``.
    size : int
        Bytes of the decompressed file; 0 where that is not known.
    sha256 : str
        SHA-256 of the decompressed file, in hexadecimal digits; empty where that is not known.
    """

    name: str
    size: int
    sha256: str


@immutable
@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a dataset before any of its files is opened.

    Attributes
    ----------
    name : str
        The name that `fastfa.data.load` takes.
    files : tuple of DataFile
        In IDX: training images, training labels, test images, test labels.
    train_size, test_size : int
        Examples in each part.
    class_names : tuple of str
        What the labels 0, 1, ... mean.
    image_shape : tuple of int
        (channels, height, width).
    licence, attribution : str
        On what terms, and by whom.
    download_size : int
        Bytes to download, 0 where nothing needs to be.
    mirrors : tuple of str
        Addresses of folders that hold the gzip files, or the archive.
    embedded : bool
        Whether the files are part of the installed package.
    hint : str
        Another way to get it, besides ``fastfa data fetch``; the only one where there are no
        mirrors.
    format : str
        How its files are read: ``"idx"``, ``"amat"``, ``"cifar"``, ``"svhn"``, ``"timit"``,
        ``"photos"`` where it is made from another dataset, or ``"task"`` where it is made from nothing:
        sequences, a `SequenceDataset`.
    made_from : str
        The name of that other dataset.
    folder : str
        The folder that its archive unpacks to, in which it is looked for beside that of its name.
    archive, md5 : str
        Of one that is published as an archive: the name of that, and its MD5.
    """

    name: str
    files: tuple[DataFile, ...]
    train_size: int
    test_size: int
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    licence: str
    attribution: str
    download_size: int = 0
    mirrors: tuple[str, ...] = ()
    embedded: bool = False
    hint: str = ""
    format: str = "idx"
    made_from: str = ""
    folder: str = ""
    archive: str = ""
    md5: str = ""

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def can_be_fetched(self) -> bool:
        """Whether `fetch_dataset` knows how to get it, or need not."""
        return self.format == "idx" or bool(self.archive)


_DIGITS = tuple("0123456789")

MNIST = DatasetInfo(
    name="mnist",
    files=(
        DataFile(
            TRAIN_IMAGES,
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        DataFile(
            TRAIN_LABELS,
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        DataFile(
            TEST_IMAGES,
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        DataFile(
            TEST_LABELS,
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    train_size=60_000,
    test_size=10_000,
    class_names=_DIGITS,
    image_shape=(1, 28, 28),
    licence="CC BY-SA 3.0",
    attribution="Yann LeCun, Corinna Cortes, Christopher J. C. Burges",
    download_size=11_594_722,
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
)

FASHION_MNIST = DatasetInfo(
    name="fashion-mnist",
    files=(
        DataFile(
            TRAIN_IMAGES,
            47_040_016,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        DataFile(
            TRAIN_LABELS,
            60_008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        DataFile(
            TEST_IMAGES,
            7_840_016,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        DataFile(
            TEST_LABELS,
            10_008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    train_size=60_000,
    test_size=10_000,
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    image_shape=(1, 28, 28),
    licence="MIT",
    attribution="Zalando SE (Han Xiao, Kashif Rasul, Roland Vollgraf)",
    download_size=30_878_645,
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    hint="on Debian: apt install dataset-fashion-mnist",
)

MNIST_MINI = DatasetInfo(
    name="mnist-mini",
    files=(
        DataFile(
            TRAIN_IMAGES,
            4_704_016,
            "e79fa19e58d7815832c74a39de83d0f8d9a3c748b67005531e7dfaeeaa6b6504",
        ),
        DataFile(
            TRAIN_LABELS,
            6_008,
            "0704c04c842122854792166800359d7e80c0c8c2c72ea0798ddea107354ea1fc",
        ),
        DataFile(
            TEST_IMAGES,
            784_016,
            "5daf275ea0da6a9acc69089c99b41e1e52a0033b6b4932adc313b79121167694",
        ),
        DataFile(
            TEST_LABELS,
            1_008,
            "ccfd633c1ba6c867209e257fd66014e0736c607e2fcd17c1a175dcf7a2b3ef0f",
        ),
    ),
    train_size=6_000,
    test_size=1_000,
    class_names=_DIGITS,
    image_shape=(1, 28, 28),
    licence=MNIST.licence,
    attribution=MNIST.attribution,
    embedded=True,
)


def _cifar(
    name: str, classes: tuple[str, ...], sizes: dict[str, int], folder: str, md5: str, size: int
) -> DatasetInfo:
    """``sizes``: the bytes of each file."""
    return DatasetInfo(
        name=name,
        files=tuple(DataFile(file, size, "") for file, size in sizes.items()),
        train_size=50_000,
        test_size=10_000,
        class_names=classes,
        image_shape=(3, 32, 32),
        licence="none stated",
        attribution="Alex Krizhevsky, Vinod Nair, Geoffrey Hinton (2009)",
        download_size=size,
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
        format="cifar",
        folder=folder,
        archive=f"{name}-binary.tar.gz",
        md5=md5,
    )


CIFAR = (
    _cifar(
        "cifar-10",
        CIFAR_10,
        dict.fromkeys(
            [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"], 30_730_000
        ),
        "cifar-10-batches-bin",
        "c32a1d4ab5d03f1284b67883e8d87530",
        170_052_171,
    ),
    _cifar(
        "cifar-100",
        CIFAR_100,
        {"train.bin": 153_700_000, "test.bin": 30_740_000},
        "cifar-100-binary",
        "03b5dce01913d631647c71ecec9e9cb8",
        168_513_733,
    ),
)

DATASETS: dict[str, DatasetInfo] = {
    info.name: info for info in (MNIST, FASHION_MNIST, MNIST_MINI, *CIFAR)
}
