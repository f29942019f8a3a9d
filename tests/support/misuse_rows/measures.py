"""What misuse of measures and figures is told."""

# fmt: off
ROWS = [
    # metrics.alignment
    ("fa.metrics.alignment(5, X, Y)",
     "TypeError: [alignment] net was 5; it must be a fastfa.Network"),
    ("fa.metrics.alignment(net, X[:, :1], Y)",
     "ValueError: [alignment] X has shape (5, 1); it must be (N, 3), with N at least 1"),
    ('fa.metrics.alignment(net, X, Y, measures=["nope"])',
     "ValueError: [alignment] measures[0] was 'nope'; it must be one of angle_bp, angle_bp_sd, …"),
    ("fa.metrics.alignment(net, X, Y, measures=[])",
     "TypeError: [alignment] measures was []; it must be a list of names from angle_bp, …"),
    # plots
    ("fa.plots.plot_angles([])",
     "ValueError: [plot_angles] rows was empty; it must hold at least one measurement"),
    ('fa.plots.plot_angles([{"layer": 0, "batch": 0, "descent": 1.0}])',
     "KeyError: [plot_angles] rows have no 'angle_bp'; they have: layer, batch, descent"),
    ("fa.plots.plot_history(fa.History())",
     "ValueError: [plot] history has no records with error or loss; train at least one epoch"),
    ('fa.plots.plot_history(fa.History([{"epoch": 1, "train_loss": 1.0}]), measure="error")',
     "ValueError: [plot] history has no records with 'error'; train at least one epoch (they have: …"),
    ("fa.plots.plot_learning_curves({})",
     "ValueError: [plot_learning_curves] histories was {}; it must name at least one history"),
    ('fa.plots.plot_learning_curves({"mine": fa.History()})',
     "ValueError: [plot_learning_curves] histories have no error or loss in common; name a key …"),
    ('fa.plots.plot_learning_curves({"mine": fa.History([{"epoch": 1, "note": "a"}])}, key="note")',
     "ValueError: [plot] key was 'note'; each record must have one number of that name"),
    # metrics.effective_rank
    ("fa.metrics.effective_rank(1)",
     "ValueError: [effective_rank] matrix has shape (); it must be (n, m), n and m at least 1"),
    ("fa.metrics.effective_rank([[1.0, np.nan]])",
     "ValueError: [effective_rank] matrix has nan at [0, 1]; every value must be finite"),
    # metrics.angle
    ("fa.metrics.angle([1, 2, 3], [1, 2])",
     "ValueError: [angle] u has shape (3,) and v (2,); they must be the same, or …"),
    # metrics.nse
    ("fa.metrics.nse(np.ones((2, 1)), np.ones((3, 1)))",
     "ValueError: [nse] output has shape (3, 1); it must be the target's, (2, 1)"),
    ("fa.metrics.nse(np.ones((2, 1)), np.ones((2, 1)))",
     "ValueError: [nse] target has no variance; it must hold different rows"),
    # metrics.error_rate
    ("fa.metrics.error_rate(net, X, labels[:3])",
     "ValueError: [error_rate] labels has 3 entries; X has 5 rows"),
    ("fa.metrics.error_rate(net, X, [0.5] * 5)",
     "ValueError: [error_rate] labels was an array of float64 and shape (5,); it must be …"),
    ("fa.metrics.error_rate(net, X, labels + 1)",
     "ValueError: [error_rate] labels lies in [1, 2]; the network has 2 outputs, so it must lie in "
     "[0, 1] (where labels count from 1, give labels - 1)"),
    ("fa.metrics.error_rate(net, X, labels - 1)",
     "ValueError: [error_rate] labels lies in [-1, 0]; the network has 2 outputs, so it must lie in "
     "[0, 1]"),
]
# fmt: on
