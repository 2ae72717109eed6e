// The control buffer: the state that changes from step to step. It has the layout of src/kernel/control/mod.rs; a test
// compares the numbers.

constexpr unsigned STOP = 0;
constexpr unsigned STEP = 1;
constexpr unsigned RATE = 2;
constexpr unsigned SCALE = 3;
constexpr unsigned RHO = 4;
constexpr unsigned RESIDUAL = 5;
constexpr unsigned TOP = 6;
constexpr unsigned TOLERANCE = 7;
constexpr unsigned CRITERION = 8;
constexpr unsigned SCALE_MEAN = 9;
constexpr unsigned BEST = 10;
constexpr unsigned BEST_STEP = 11;
constexpr unsigned BATCH = 12;
constexpr unsigned COUNT = 13;

constexpr float CONVERGED = 1.0f;
constexpr float FLOOR_REACHED = 2.0f;
constexpr float NOT_FINITE = 3.0f;
constexpr float STEP_NOT_FINITE = 4.0f;
constexpr float BY_RESIDUAL = 1.0f;
constexpr float NULL_SHARE = 1e-12f;
constexpr float LEAST_SHARE = 0.00390625f;
constexpr float NOISE = 2.384185791015625e-7f;
constexpr float LONGEST = 64.0f;
constexpr float NEAR_FLOOR = 3e-5f;
constexpr float PLATEAU = 1e-6f;
constexpr float NEAR_BEST = 4.0f;
constexpr float HANDED_OVER = 2.56e-4f;
constexpr float IMPROVEMENT = 0.95f;
constexpr float PATIENCE = 100.0f;
constexpr float LARGEST = 3.40282347e+38f;

/// Whether the state is frozen.
__device__ bool frozen(const float *control) { return control[STOP] != 0.0f; }
