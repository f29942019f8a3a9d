"""The datasets that fastfa reads or makes, but does not download."""

from __future__ import annotations

from .registry import MNIST, MNIST_MINI, DataFile, DatasetInfo

_DIGITS = tuple("0123456789")
_ICML = "http://www.iro.umontreal.ca/~lisa/icml2007data"


def _names(*names: str) -> tuple[DataFile, ...]:
    """Files of which neither size nor digest is known."""
    return tuple(DataFile(name, 0, "") for name in names)


def _amat(name: str, archive: str, train: str, test: str) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        files=_names(train, test),
        train_size=12_000,
        test_size=50_000,
        class_names=_DIGITS,
        image_shape=(1, 28, 28),
        licence="none stated",
        attribution="Larochelle, Erhan, Courville, Bergstra, Bengio (ICML 2007), from MNIST",
        hint=f"unzip {_ICML}/{archive}",
        format="amat",
    )


def _photographic(base: DatasetInfo) -> DatasetInfo:
    return DatasetInfo(
        name=f"{base.name}-photo-background",
        files=(),
        train_size=base.train_size,
        test_size=base.test_size,
        class_names=_DIGITS,
        image_shape=base.image_shape,
        licence=base.licence,
        attribution=f"{base.attribution}; photographs of scikit-image",
        hint="pip install 'fastfa[photos]'",
        format="photos",
        made_from=base.name,
    )


def _task(name: str, train: int, test: int, attribution: str) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        files=(),
        train_size=train,
        test_size=test,
        class_names=(),
        image_shape=(1, 1, 1),
        licence="MIT, as fastfa",
        attribution=attribution,
        embedded=True,
        hint="nothing to get: fastfa makes it",
        format="task",
    )


LOCAL_DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        _task("periodic", 1, 1, "the task of Murray, eLife 8:e43299 (2019)"),
        _task("add", 1000, 200, "the task of Marschall, Cho, Savin, JMLR 21:135 (2020)"),
        _task("delayed-xor", 1000, 200, "the task of Miconi, eLife 6:e20899 (2017)"),
        _amat("mnist-basic", "mnist.zip", "mnist_train.amat", "mnist_test.amat"),
        _amat(
            "mnist-rotation",
            "mnist_rotation_new.zip",
            "mnist_all_rotation_normalized_float_train_valid.amat",
            "mnist_all_rotation_normalized_float_test.amat",
        ),
        _amat(
            "mnist-back-random",
            "mnist_background_random.zip",
            "mnist_background_random_train.amat",
            "mnist_background_random_test.amat",
        ),
        _amat(
            "mnist-back-image",
            "mnist_background_images.zip",
            "mnist_background_images_train.amat",
            "mnist_background_images_test.amat",
        ),
        _amat(
            "mnist-rotation-back-image",
            "mnist_rotation_back_image_new.zip",
            "mnist_all_background_images_rotation_normalized_train_valid.amat",
            "mnist_all_background_images_rotation_normalized_test.amat",
        ),
        _photographic(MNIST),
        _photographic(MNIST_MINI),
        DatasetInfo(
            name="svhn-grey",
            files=_names("train_32x32.mat", "extra_32x32.mat", "test_32x32.mat"),
            train_size=604_388,
            test_size=26_032,
            class_names=_DIGITS,
            image_shape=(1, 32, 32),
            licence="non-commercial use only",
            attribution="Netzer, Wang, Coates, Bissacco, Wu, Ng (2011)",
            hint="the three files of Format 2 at http://ufldl.stanford.edu/housenumbers/ "
            "and pip install 'fastfa[svhn]'",
            format="svhn",
        ),
        DatasetInfo(
            name="timit-stops",
            files=_names("train", "test"),
            train_size=63_881,
            test_size=22_257,
            class_names=tuple("bdgptk"),
            image_shape=(1, 1, 39),
            licence="LDC User Agreement",
            attribution="Garofolo, Lamel, Fisher, Fiscus, Pallett, Dahlgren, Zue (1993), LDC93S1",
            hint="the folders TRAIN and TEST of https://catalog.ldc.upenn.edu/LDC93S1 "
            "and pip install 'fastfa[timit]'",
            format="timit",
        ),
    )
}
