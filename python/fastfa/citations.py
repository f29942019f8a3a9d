"""What to cite: the sources of the rules that a network learns by."""

from __future__ import annotations

from .feedback import Feedback
from .layers import Recurrent
from .network import Network
from .perturbation import NodePerturbation

# By year; citation() keeps this order.
_WORKS = {
    "rumelhart1986": """\
@article{rumelhart1986,
  title = {Learning representations by back-propagating errors},
  author = {Rumelhart, David E. and Hinton, Geoffrey E. and Williams, Ronald J.},
  journal = {Nature},
  volume = {323},
  pages = {533--536},
  year = {1986},
  doi = {10.1038/323533a0}
}""",
    "werbos1990": """\
@article{werbos1990,
  title = {Backpropagation through time: what it does and how to do it},
  author = {Werbos, Paul J.},
  journal = {Proceedings of the {IEEE}},
  volume = {78},
  number = {10},
  pages = {1550--1560},
  year = {1990},
  doi = {10.1109/5.58337}
}""",
    "kolen1994": """\
@inproceedings{kolen1994,
  title = {Backpropagation without weight transport},
  author = {Kolen, John F. and Pollack, Jordan B.},
  booktitle = {Proceedings of the 1994 {IEEE} International Conference on Neural Networks},
  volume = {3},
  pages = {1375--1380},
  year = {1994},
  doi = {10.1109/ICNN.1994.374486}
}""",
    "werfel2005": """\
@article{werfel2005,
  title = {Learning curves for stochastic gradient descent in linear feedforward networks},
  author = {Werfel, Justin and Xie, Xiaohui and Seung, H. Sebastian},
  journal = {Neural Computation},
  volume = {17},
  number = {12},
  pages = {2699--2718},
  year = {2005},
  doi = {10.1162/089976605774320539}
}""",
    "lillicrap2016": """\
@article{lillicrap2016,
  title = {Random synaptic feedback weights support error backpropagation for deep learning},
  author = {Lillicrap, Timothy P. and Cownden, Daniel and Tweed, Douglas B. and Akerman, Colin J.},
  journal = {Nature Communications},
  volume = {7},
  pages = {13276},
  year = {2016},
  doi = {10.1038/ncomms13276}
}""",
    "liao2016": """\
@inproceedings{liao2016,
  title = {How important is weight symmetry in backpropagation?},
  author = {Liao, Qianli and Leibo, Joel Z. and Poggio, Tomaso},
  booktitle = {Proceedings of the Thirtieth {AAAI} Conference on Artificial Intelligence},
  year = {2016},
  eprint = {1510.05067},
  archiveprefix = {arXiv}
}""",
    "nokland2016": r"""
@inproceedings{nokland2016,
  title = {Direct feedback alignment provides learning in deep neural networks},
  author = {N{\o}kland, Arild},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {29},
  year = {2016},
  eprint = {1609.01596},
  archiveprefix = {arXiv}
}""".lstrip(),
    "akrout2019": """\
@inproceedings{akrout2019,
  title = {Deep learning without weight transport},
  author = {Akrout, Mohamed and Wilson, Collin and Humphreys, Peter C. and Lillicrap, Timothy P.
            and Tweed, Douglas B.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {32},
  year = {2019},
  eprint = {1904.05391},
  archiveprefix = {arXiv}
}""",
    "crafton2019": """\
@article{crafton2019,
  title = {Direct feedback alignment with sparse connections for local learning},
  author = {Crafton, Brian and Parihar, Abhinav and Gebhardt, Evan and Raychowdhury, Arijit},
  journal = {Frontiers in Neuroscience},
  volume = {13},
  pages = {525},
  year = {2019},
  doi = {10.3389/fnins.2019.00525}
}""",
    "murray2019": """\
@article{murray2019,
  title = {Local online learning in recurrent networks with random feedback},
  author = {Murray, James M.},
  journal = {eLife},
  volume = {8},
  pages = {e43299},
  year = {2019},
  doi = {10.7554/eLife.43299}
}""",
    "webster2020": """\
@misc{webster2020,
  title = {Learning the connections in direct feedback alignment},
  author = {Webster, Matthew Bailey and Choi, Jonghyun and Ahn, Changwook},
  howpublished = {OpenReview},
  year = {2020},
  url = {https://openreview.net/forum?id=zgGmAx9ZcY}
}""",
    "frenkel2021": """\
@article{frenkel2021,
  title = {Learning without feedback: fixed random learning signals allow for feedforward training
           of deep neural networks},
  author = {Frenkel, Charlotte and Lefebvre, Martin and Bol, David},
  journal = {Frontiers in Neuroscience},
  volume = {15},
  pages = {629892},
  year = {2021},
  doi = {10.3389/fnins.2021.629892}
}""",
}

_FOLLOWING = {  # matrices that follow the weights, and the one that sends nothing
    "transpose": {"rumelhart1986"},
    "pseudoinverse": {"lillicrap2016"},
    "sign": {"liao2016"},
    "zero": set(),
}
_IN_TIME = {"zero": "murray2019", "transpose": "werbos1990", "random": "murray2019"}  # B_rec


def citation(net: Network) -> str:
    """BibTeX of the works behind the rules that the network learns by.

    Parameters
    ----------
    net : Network

    Returns
    -------
    str
        An entry for each work, the oldest first, separated by empty lines. Empty if no hidden layer
        is taught (``"shallow"``). Of a custom feedback only what its route stands on.

    Raises
    ------
    TypeError
        If net is not a Network.
    """
    if not isinstance(net, Network):
        raise TypeError(f"[citation] net was {net!r}; it must be a fastfa.Network")
    if isinstance(net.feedback, NodePerturbation):
        keys = {"werfel2005"}
    else:
        keys = {key for rule in net.feedback for key in _sources(rule)}
    for layer in net.layers:
        if isinstance(layer, Recurrent):
            rule = layer.recurrent_feedback
            keys |= {_IN_TIME[rule]} if isinstance(rule, str) else _sources(rule) | {"murray2019"}
    return "\n\n".join(entry for key, entry in _WORKS.items() if key in keys)


def _sources(rule: Feedback) -> set[str]:
    """Keys of the works behind one layer's rule."""
    if rule._kind in _FOLLOWING:
        return _FOLLOWING[rule._kind]
    if rule.route == "target":
        return {"frenkel2021"}
    if rule.plasticity == "kolen_pollack":
        direct = {"nokland2016", "webster2020"} if rule.route == "direct" else set()
        return {"kolen1994", "akrout2019"} | direct
    if rule.plasticity != "fixed":
        return {"akrout2019"}
    if rule.route == "direct":
        return {"nokland2016"} | ({"crafton2019"} if rule._kind == "sparse" else set())
    return set() if rule._kind == "custom" else {"lillicrap2016"}
