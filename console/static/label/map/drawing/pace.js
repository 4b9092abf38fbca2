/** Number of dots that fit into a frame while the map moves, learned from the time between frames. */

const FEWEST = 1500;
const PICTURE = 8; // dots that take the time of one picture
const GROWTH = 1.25; // most of a frame
const FALL = 0.6; // most of a frame, in the other direction

/** Adaptive count of dots. */
export class Pace {
  /** @param {number} goal milliseconds of a frame */
  constructor(goal = 25) {
    this.goal = goal;
    this.count = 4000;
    /** Mean of the last times between frames; null before there are any. @type {number | null} */
    this.gap = null;
  }

  /**
   * Learn from a frame.
   * @param {number} gap milliseconds since the frame before
   * @param {number} drawn dots of that frame
   */
  note(gap, drawn) {
    this.gap = this.gap === null ? gap : 0.6 * this.gap + 0.4 * gap;
    const factor = Math.min(GROWTH, Math.max(FALL, this.goal / this.gap));
    if (factor < 1) this.count = Math.max(FEWEST, Math.min(this.count, drawn) * factor);
    // A fast frame with fewer dots than were allowed says nothing about more.
    else if (drawn >= this.count) this.count *= factor;
  }

  /** Forget the last times, since the map was at rest. The count stays. */
  rest() {
    this.gap = null;
  }

  /**
   * Return how much is drawn of what there is. Pictures come first, for up to half of the time.
   * @param {number} dots
   * @param {number} pictures
   * @returns {{share: number, pictures: number, cost: number}} share of the dots, number of pictures, and both as dots
   */
  budget(dots, pictures) {
    const shown = Math.min(pictures, Math.ceil(this.count / 2 / PICTURE));
    const share = dots === 0 ? 1 : Math.min(1, (this.count - shown * PICTURE) / dots);
    return { share, pictures: shown, cost: Math.ceil(share * dots) + shown * PICTURE };
  }
}
