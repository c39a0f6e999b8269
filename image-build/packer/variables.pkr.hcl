variable "distribution" {
  type        = string
  default     = "al2023"
  description = "What the image is made from: al2023, debian or ubuntu."
}

variable "arch" {
  type        = string
  default     = "x86_64"
  description = "The instances' architecture: x86_64 or arm64."
}

variable "agent_version" {
  type        = string
  description = "The ECS agent's version, v1.2.3. It is baked, verified, into the image."
}

variable "region" {
  type        = string
  description = "Where the image is made, and whose bucket the agent is taken from."
}

variable "program" {
  type        = string
  default     = ""
  description = "What brings ecs-init: a .deb, an .rpm, or the binary. Empty: what `make` left in target/dist."
}

variable "mirror" {
  type        = string
  default     = ""
  description = "In place of the region's bucket: a URL below which the agent's files lie."
}

variable "config" {
  type        = string
  default     = ""
  description = "A file for /etc/ecs/ecs.config. Empty: instances get theirs from user data."
}

variable "subnet_id" {
  type        = string
  default     = ""
  description = "The subnet of the instance that is baked. Empty: the default VPC's."
}
