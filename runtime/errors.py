"""The base of every error that the person at the keyboard can mend.

UserError(ValueError)   its message says what is wrong, with what, and what to do; the traceback adds nothing
├── InstallationError   runtime/errors.py               a package that is not installed
├── TablesError         training/sales/data/table_checks.py           tables with something wrong in them
├── RowsError           training/sales/forecast_csv.py                   a CSV of rows that can't be forecast
├── BundleError         runtime/bundle.py               a folder that is no bundle, or a damaged one
├── HoldoutError        training/sales/evaluation.py    nothing to train on or to judge by
├── OptionsError        training/options.py             training options that do not go together
├── RunningError        training/checkpoint_folder.py   a second training of the same bundle
├── PhotosError         training/pets/data/layouts.py        photos that can't be trained on
├── BreedsError         training/pets/evaluation.py     photos that a bundle can't be judged by
├── BackboneError       training/pets/backbones.py               a backbone that is not known or can't be had
├── CheckpointError     training/checkpoint.py          a checkpoint of another run, or a damaged one
├── DivergedError       training/learner.py             the loss is no number any more
├── ArchiveError        serving/torchserve/archive.py   a bundle or an archive that can't be used
├── PortError           serving/ports.py                a port that is taken
├── JavaError           serving/torchserve/java.py      no Java that runs TorchServe
├── ServerError         serving/torchserve/server.py    a server that does not start, or ended by itself
├── DeviceError         runtime/device.py               a device that is not there
├── SessionError        runtime/session.py              a network that can't be run there
└── FolderError         runtime/folder.py               a target that can't be written
"""


class UserError(ValueError):
    """Something the user can mend; commands print the message alone and exit with 2."""


class InstallationError(UserError):
    """A package that a command needs and that is not installed, such as torch where shopcat only serves."""
