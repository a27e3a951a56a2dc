/** The place of no member. */
const NOBODY = -1

/** The lowest watermark of a group's members, whose it is, and the lowest of all the others: what is true of all but one follows from them. */
export class Floor {
  #lowest = Infinity
  /** Its place among the members. */
  #holder = NOBODY
  #second = Infinity

  add(place: number, watermark: number): void {
    if (watermark < this.#lowest) {
      this.#second = this.#lowest
      this.#lowest = watermark
      this.#holder = place
    } else if (watermark < this.#second) this.#second = watermark
  }

  get lowest(): number {
    return finite(this.#lowest)
  }

  /** Infinity: there are no two. */
  get second(): number {
    return this.#second
  }

  /** The place of who stands lowest; NOBODY: there is none. */
  get holder(): number {
    return this.#holder
  }

  /** 0 where there is nobody else. */
  without(place: number): number {
    return finite(this.#others(place))
  }

  /** Whether somebody, but the one at this place stands lower. */
  holdsBack(place: number, watermark: number): boolean {
    return this.#others(place) < watermark
  }

  /** Whether all of them still stand where these do, as far as one of them is told. */
  equals(other: Floor): boolean {
    return this.#lowest === other.#lowest && this.#second === other.#second && this.#holder === other.#holder
  }

  #others(place: number): number {
    return place === this.#holder ? this.#second : this.#lowest
  }
}

function finite(watermark: number): number {
  return watermark === Infinity ? 0 : watermark
}
